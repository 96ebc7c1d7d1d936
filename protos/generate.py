"""Writes supervisor/pb from the .proto files beside this one; ``--check`` fails if that would change anything.

Generated code refuses an older runtime than its generator, so it is made with the oldest release that pyproject allows.
That release wants an older protobuf than we run with, hence an environment of its own (.venv-protos, made on first use).
The sources mirror the package tree, so the generated imports are right as they are.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

TOOLS = "grpcio-tools==1.72.2"
ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
ENVIRONMENT = ROOT / ".venv-protos"


def tools() -> Path:
    """The Python that has the generator."""
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / TOOLS.replace("=", "-")
    if not stamp.exists():
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", TOOLS, "setuptools<81"], check=True)
        stamp.touch()
    return python


def generate(target: Path) -> list[Path]:
    """Every generated file, below ``target``, as relative paths."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run([tools(), "-m", "grpc_tools.protoc", f"-I{PROTOS}", *outputs, *sources], check=True)
    return sorted(path.relative_to(target) for path in target.rglob("*_pb2*"))


def main() -> int:
    """Write, or compare."""
    with tempfile.TemporaryDirectory() as scratch:
        made = generate(Path(scratch))
        stale = [path for path in made if not _same(Path(scratch) / path, ROOT / path)]
        have = {
            path.relative_to(ROOT) for path in (ROOT / "supervisor" / "pb").rglob("*_pb2*") if path.suffix != ".pyc"
        }
        gone = sorted(have - set(made))
        if "--check" in sys.argv:
            for path in [*stale, *gone]:
                print(f"{path} is not what the .proto files say; run: python protos/generate.py")
            return 1 if stale or gone else 0
        for path in stale:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_bytes((Path(scratch) / path).read_bytes())
        for path in gone:
            (ROOT / path).unlink()
    return 0


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
