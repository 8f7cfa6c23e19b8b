"""Without selenium (extra `[dev]`) nothing is collected here, and `pytest -m browser` fails for lack of tests."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("selenium") else ["test_report.py"]
