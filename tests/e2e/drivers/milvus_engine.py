# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs filters on Milvus Lite (PyPI: milvus-lite, pymilvus), as a client asked for them and as the gateway sends them.

The file: records, one a line, and then "asked<TAB>sent", the bodies of queries. What is sent must find what was asked for and is of the tenant "a".
Milvus Lite knows no template parameters: the one of ours is written into its place. Prints {"compared", "found"} and exits 0; 1 with the pair
that differs; 77 without the engine.
"""
import json
import os
import sys
import tempfile

try:
    import milvus_lite  # noqa: F401
    from pymilvus import DataType, MilvusClient
except ImportError:
    sys.exit(77)

MOST = int(os.environ.get("SALLYPORT_TRIALS", "1500"))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = file.read().splitlines()
    records = [json.loads(line) for line in lines if "\t" not in line]
    own = {i for i, r in enumerate(records) if r["tenant"] == "a"}
    compared = total = 0
    with tempfile.TemporaryDirectory() as folder:
        client = MilvusClient(os.path.join(folder, "engine.db"))
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
        for name in ("tenant", "owner"):
            schema.add_field(name, DataType.VARCHAR, max_length=64)
        schema.add_field("n", DataType.INT64)
        schema.add_field("open", DataType.BOOL)
        index = client.prepare_index_params()
        index.add_index("v", index_type="FLAT", metric_type="L2")
        client.create_collection("docs", schema=schema, index_params=index)
        client.insert("docs", [{"id": i, "v": [1.0, float(i)], **r} for i, r in enumerate(records)])

        def found(body):
            text = body["filter"]
            for name, value in body.get("exprParams", {}).items():
                text = text.replace("{" + name + "}", json.dumps(value), 1)
            return {r["id"] for r in client.query("docs", filter=text, output_fields=["id"], limit=100)}

        for line in lines:
            if "\t" not in line or compared >= MOST:
                continue
            asked, sent = (json.loads(body) for body in line.split("\t"))
            before, after = found(asked), found(sent)
            compared += 1
            total += len(before)
            if after != before & own:
                sys.exit(f"asked {asked}: {sorted(before)}; sent {sent}: {sorted(after)}")
        client.close()
    print(json.dumps({"compared": compared, "found": total}))


main()
