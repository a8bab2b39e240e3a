"""Self-managed certificates: issuing them, replacing them in steps, and keeping the cluster's objects right."""

from app.certs.controller import Rounds
from app.certs.issue import KeyPair, issue_throwaway_cert
from app.certs.metrics import CertsMetrics
from app.certs.reconciler import Objects, Upkeep
from app.certs.rotation import Lives

__all__ = ["CertsMetrics", "KeyPair", "Lives", "Objects", "Rounds", "Upkeep", "issue_throwaway_cert"]
