"""Self-managed certificates: issuing them, replacing them in steps, and keeping the cluster's objects up to date."""

from app.certs.controller import Controller
from app.certs.issue import KeyPair, issue_throwaway_cert
from app.certs.metrics import CertsMetrics
from app.certs.reconciler import CertReconciler, CertStore
from app.certs.rotation import Lifetimes

__all__ = ["CertReconciler", "CertStore", "CertsMetrics", "Controller", "KeyPair", "Lifetimes", "issue_throwaway_cert"]
