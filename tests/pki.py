"""Certificates for tests, made by openssl: an authority, a stranger's, a server and a node."""

import subprocess
from pathlib import Path

from tests.etcd_server import TlsFiles


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=60)


def make_authority(directory: Path, name: str) -> None:
    openssl(
        directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", f"/CN={name}", "-keyout", f"{name}-key.pem", "-out", f"{name}.pem",
    )  # fmt: skip


def issue(directory: Path, authority: str, name: str, names: str, *, subject: str | None = None) -> None:
    """A certificate for server and client, valid for these names."""
    openssl(
        directory, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-subj", subject or f"/CN={name}", "-keyout", f"{name}-key.pem", "-out", f"{name}.csr",
    )  # fmt: skip
    extensions = directory / f"{name}.ext"
    extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl(
        directory, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}-key.pem",
        "-CAcreateserial", "-days", "2", "-extfile", extensions.name, "-out", f"{name}.pem",
    )  # fmt: skip


def revoke(directory: Path, authority: str, *names: str) -> Path:
    """The authority's list of certificates that are not to be taken any more, with these on it."""
    lines = []
    for name in names:
        shown = subprocess.run(
            ["openssl", "x509", "-in", f"{name}.pem", "-noout", "-serial"],
            cwd=directory, check=True, capture_output=True, text=True, timeout=60,
        ).stdout  # fmt: skip
        lines.append(f"R\t350101000000Z\t250101000000Z\t{shown.strip().partition('=')[2]}\tunknown\t/CN={name}\n")
    (directory / "index.txt").write_text("".join(lines))
    (directory / "index.txt.attr").write_text("unique_subject = no\n")
    (directory / "crl.cnf").write_text(
        f"[ca]\ndefault_ca=a\n[a]\ndatabase={directory}/index.txt\ndefault_md=sha256\ndefault_crl_days=2\n"
    )
    made = ("-keyfile", f"{authority}-key.pem", "-cert", f"{authority}.pem", "-out", "crl.pem")
    openssl(directory, "ca", "-config", "crl.cnf", "-gencrl", *made)
    return directory / "crl.pem"


def files(pki: Path, name: str) -> TlsFiles:
    return TlsFiles(ca=str(pki / "ca.pem"), cert=str(pki / f"{name}.pem"), key=str(pki / f"{name}-key.pem"))


def make(directory: Path) -> Path:
    """What most tests need."""
    make_authority(directory, "ca")
    make_authority(directory, "stranger")
    issue(directory, "ca", "server", "IP:127.0.0.1,DNS:etcd.internal")
    issue(directory, "ca", "named", "DNS:etcd.internal")
    issue(directory, "ca", "node", "DNS:node")
    issue(directory, "ca", "unnamed", "DNS:node", subject="/O=supervisor")
    return directory
