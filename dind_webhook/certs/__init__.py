"""Self-managed certificates: issuing them, replacing them in steps, and keeping the cluster's objects up to date."""

from dind_webhook.certs.controller import Controller
from dind_webhook.certs.issue import KeyPair, issue_throwaway_cert
from dind_webhook.certs.metrics import CertsMetrics
from dind_webhook.certs.reconciler import CertReconciler, CertStore
from dind_webhook.certs.rotation import Lifetimes

__all__ = ["CertReconciler", "CertStore", "CertsMetrics", "Controller", "KeyPair", "Lifetimes", "issue_throwaway_cert"]
