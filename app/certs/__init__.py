"""Certificate upkeep. Times are arguments, so that a test can stand at any moment."""

from app.certs.issue import KeyPair, issue_throwaway_cert
from app.certs.keyring import Lives
from app.certs.metrics import CertsMetrics
from app.certs.upkeep import Objects, Upkeep

__all__ = ["CertsMetrics", "KeyPair", "Lives", "Objects", "Upkeep", "issue_throwaway_cert"]
