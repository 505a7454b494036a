#!/usr/bin/env python3
"""Writes what stands beside this file, from checkouts of kubernetes/api and kubernetes/apiextensions-apiserver (Apache-2.0):

    python3 samples.py API APIEXTENSIONS

Each line of kubernetes-VERSION.jsonl.gz is an object as Kubernetes' own encoders write it, which says something in every field
of its kind: [name, the object as JSON, the object as protobuf in base64]. Stable versions only."""
import base64, gzip, json, pathlib, re, subprocess, sys

API, EXTENSIONS = sys.argv[1:]
SOURCES = {
    "v1.33.0": [(API, "testdata/v1.33.0")],
    "v1.36.0": [(API, "testdata/v1.36.0"), (EXTENSIONS, "pkg/apis/testdata/HEAD")],
}
for version, sources in SOURCES.items():
    lines = []
    for checkout, directory in sources:
        show = lambda path: subprocess.check_output(["git", "-C", checkout, "show", f"HEAD:{directory}/{path}"])
        for name in sorted(show("").decode().split()):
            if re.fullmatch(r"[a-z0-9.-]+\.v[0-9]+\.[A-Za-z]+\.pb", name) and not name.endswith("Options.pb"):
                stem = name.removesuffix(".pb")
                tree = json.loads(show(f"{stem}.json"))
                line = [stem, tree, base64.b64encode(show(name)).decode()]
                lines.append(json.dumps(line, separators=(",", ":")))
    data = "\n".join(lines).encode() + b"\n"
    path = pathlib.Path(__file__).parent / f"kubernetes-{version}.jsonl.gz"
    path.write_bytes(gzip.compress(data, 9, mtime=0))
    print(path.name, len(lines), "objects,", len(data), "bytes,", path.stat().st_size, "compressed")
