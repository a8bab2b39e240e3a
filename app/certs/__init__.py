"""Certificate upkeep. Times are arguments, so that a test can stand at any moment."""

from app.certs.issue import KeyPair, issue_throwaway_cert

__all__ = ["KeyPair", "issue_throwaway_cert"]
