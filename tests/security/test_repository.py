"""The repository itself: no secret is in it, and what it depends on is declared, licensed and consistent."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
LICENCES = re.compile(r"\b(Apache|MIT|BSD|ISC|PSF|Python Software Foundation)\b", re.IGNORECASE)


def licence(name: str) -> str:
    """What a distribution says of its licence."""
    told = importlib.metadata.metadata(name)
    words = [*(told.get_all("License-Expression") or ()), *(told.get_all("License") or ())]
    words += [c for c in told.get_all("Classifier") or [] if c.startswith("License")]
    return " ".join(words)[:300]


def closure() -> set[str]:
    """Every distribution that a user of ours gets."""
    found, waiting = set[str](), [r.name for r in RUNTIME]
    while waiting:
        name = waiting.pop().lower()
        if name in found:
            continue
        found.add(name)
        needed = (Requirement(line) for line in importlib.metadata.requires(name) or ())
        waiting += [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def test_no_file_of_the_repository_holds_what_looks_like_a_secret() -> None:
    from detect_secrets.core.secrets_collection import SecretsCollection
    from detect_secrets.settings import transient_settings

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    plugins = ("AWSKeyDetector", "BasicAuthDetector", "GitHubTokenDetector", "JwtTokenDetector", "PrivateKeyDetector",
               "SlackDetector", "StripeDetector", "TwilioKeyDetector", "AzureStorageKeyDetector")  # fmt: skip
    found = SecretsCollection(root=str(ROOT))
    with transient_settings({"plugins_used": [{"name": name} for name in plugins]}):
        for name in listed:
            if name and (ROOT / name).is_file() and not (ROOT / name).is_symlink():
                found.scan_file(name)
    # The tests and the documents write URLs with passwords in order to show that these are hidden.
    real = [
        (name, secret.type, secret.line_number)
        for name, secret in found
        if not (secret.type == "Basic Auth Credentials" and name.startswith(("tests/", "docs/")))
    ]
    assert not real


@pytest.mark.parametrize("requirement", RUNTIME, ids=str)
def test_what_we_depend_on_has_a_floor_and_a_licence_that_asks_nothing_of_users(requirement: Requirement) -> None:
    assert any(s.operator == ">=" for s in requirement.specifier), "a floor that is tested with"
    assert requirement.url is None


def test_all_that_users_get_may_be_given_on() -> None:
    names = closure()
    assert len(names) >= len(RUNTIME)
    assert {name: licence(name) for name in names if not LICENCES.search(licence(name))} == {}


def test_what_is_installed_agrees_with_itself() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
