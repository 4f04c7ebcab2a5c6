"""`python -m package`: zips for AWS Lambda in dist/, each with a manifest beside it."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from package.build import Runtime, build


def main() -> None:
    parser = argparse.ArgumentParser(prog="package", description=__doc__)
    parser.add_argument("--architecture", nargs="+", choices=["arm64", "x86_64"], default=["arm64", "x86_64"])
    parser.add_argument("--into", type=Path, default=Path("dist"))
    parser.add_argument("--config", type=Path, help="a borealis.toml to put beside the code")
    asked = parser.parse_args()
    with ThreadPoolExecutor() as pool:  # what takes time are other processes and zlib, which lets threads run
        for manifest in pool.map(lambda name: build(Runtime(name), asked.into, asked.config), asked.architecture):
            megabytes = f"{manifest['zipped_bytes'] / 1e6:.1f} MB, {manifest['unzipped_bytes'] / 1e6:.1f} MB unzipped"
            print(f"{asked.into / manifest['name']}: {megabytes}, SHA-256 {manifest['sha256']}")
            if manifest["byte_code_by"] is None:
                print(
                    f"  without byte code: cold starts take 2.6 times as long; install Python {manifest['python']}",
                    file=sys.stderr,
                )


if __name__ == "__main__":
    main()
