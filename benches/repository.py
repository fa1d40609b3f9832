"""repository.py CACHE OUT: makes an unsigned Debian repository in OUT of all .deb files found below CACHE.

Used to give mmdebstrap a local mirror with exactly the packages that vagga has in its cache.
"""

import gzip
import hashlib
import os
import subprocess
import sys


def main():
    cache, out = sys.argv[1:3]
    pool = os.path.join(out, "pool")
    binary = os.path.join(out, "dists", "bench", "main", "binary-" + architecture())
    os.makedirs(pool)
    os.makedirs(binary)
    stanzas = []
    for folder, _, files in os.walk(cache):
        for name in files:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                if file.read(8) != b"!<arch>\n":
                    continue
                file.seek(0)
                digest = hashlib.sha256(file.read()).hexdigest()
            target = os.path.join(pool, digest + ".deb")
            if os.path.exists(target):
                continue
            os.link(path, target)
            control = subprocess.run(["dpkg-deb", "-f", path], check=True, capture_output=True, text=True).stdout
            stanzas.append(
                f"{control.rstrip()}\nFilename: pool/{digest}.deb\nSize: {os.path.getsize(path)}\nSHA256: {digest}\n"
            )
    packages = "\n".join(stanzas).encode()
    write(os.path.join(binary, "Packages"), packages)
    write(os.path.join(binary, "Packages.gz"), gzip.compress(packages, mtime=0))
    base = os.path.join(out, "dists", "bench")
    lines = []
    for name in ("Packages", "Packages.gz"):
        relative = os.path.relpath(os.path.join(binary, name), base)
        with open(os.path.join(binary, name), "rb") as file:
            data = file.read()
        lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {relative}")
    release = f"Suite: bench\nCodename: bench\nComponents: main\nArchitectures: {architecture()}\nSHA256:\n" + "\n".join(lines) + "\n"
    write(os.path.join(base, "Release"), release.encode())


def architecture():
    return subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


main()
