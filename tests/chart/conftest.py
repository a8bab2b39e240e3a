"""Allow these tests to import the shared modules of tests/chart."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
