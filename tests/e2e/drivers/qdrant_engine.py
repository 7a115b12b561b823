# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs filters on Qdrant's own engine (PyPI: qdrant-edge-py), as a client asked for them and as the gateway sends them.

The file: records, one a line, and then "asked<TAB>sent", the bodies of scrolls. What is sent must find what was asked for and is of the tenant "a". Prints
{"compared", "found", "narrower"} and exits 0; 1 with the pair that differs; 77 without the engine.

The engine leaves out a `min_should` without conditions at the top of a filter, and holds it to be false within one. There what is sent finds less.
"""
import json
import sys
import tempfile

try:
    import qdrant_edge as q
except ImportError:
    sys.exit(77)


class Inexpressible(Exception):
    """the engine's Python types have no lists of several kinds"""


def several(clause):
    if clause is None:
        return None
    return [condition(c) for c in (clause if isinstance(clause, list) else [clause])]


def choice(kind, values):
    if len({type(v) for v in values}) > 1 or any(isinstance(v, bool) for v in values):
        raise Inexpressible
    return kind(values)


def match(m):
    if m is None:
        return None
    if "value" in m:
        return q.MatchValue(m["value"])
    return choice(q.MatchAny, m["any"]) if "any" in m else choice(q.MatchExcept, m["except"])


def condition(c):
    if "key" in c:
        return q.FieldCondition(c["key"], match=match(c.get("match")), range=q.RangeFloat(**c["range"]) if "range" in c else None)
    if "is_empty" in c:
        return q.IsEmptyCondition(c["is_empty"]["key"])
    if "is_null" in c:
        return q.IsNullCondition(c["is_null"]["key"])
    if "has_id" in c:
        return q.HasIdCondition(set(c["has_id"]))
    if "nested" in c:
        return q.NestedCondition(c["nested"]["key"], whole(c["nested"]["filter"]))
    return whole(c)


def whole(f):
    if f is None:
        return None
    least = f.get("min_should")
    return q.Filter(must=several(f.get("must")), must_not=several(f.get("must_not")), should=several(f.get("should")),
                    min_should=q.MinShould(several(least["conditions"]), least["min_count"]) if least else None)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = file.read().splitlines()
    records = [json.loads(line) for line in lines if "\t" not in line]
    own = {i for i, r in enumerate(records) if r.get("tenant") == "a"}
    compared = total = narrower = 0
    with tempfile.TemporaryDirectory() as folder:
        shard = q.EdgeShard.create(folder, q.EdgeConfig(vectors={"v": q.EdgeVectorParams(size=2, distance=q.Distance.Dot)}))

        def found(f):
            return {r.id for r in shard.scroll(q.ScrollRequest(limit=100, filter=f))[0]}

        shard.update(q.UpdateOperation.upsert_points([q.Point(i, {"v": [1.0, float(i)]}, r) for i, r in enumerate(records)]))
        for line in lines:
            if "\t" not in line:
                continue
            asked, sent = (json.loads(body).get("filter") for body in line.split("\t"))
            try:
                before, after = found(whole(asked)), found(whole(sent))
            except Inexpressible:
                continue
            compared += 1
            total += len(before)
            if after == before & own:
                continue
            narrower += 1
            if not after < before & own or (asked.get("min_should") or {}).get("conditions"):
                sys.exit(f"asked {asked}: {sorted(before)}; sent: {sorted(after)}")

        # An upsert of every id, as an upsert is sent: the others' points stay, new ones are made.
        ours = whole({"must": [{"key": "tenant", "match": {"value": "a"}}]})
        n = len(records) + 2
        shard.update(q.UpdateOperation.upsert_points([q.Point(i, {"v": [9.0, 9.0]}, {"tenant": "a", "new": True}) for i in range(n)], condition=ours))
        new = {r.id for r in shard.scroll(q.ScrollRequest(limit=100, with_payload=True))[0] if (r.payload or {}).get("new")}
        if new != own | {n - 2, n - 1}:
            sys.exit(f"the upsert took {sorted(new)}")
        # A deletion of every id, as one by id is sent.
        shard.update(q.UpdateOperation.delete_points_by_filter(q.Filter(must=[condition({"key": "tenant", "match": {"value": "a"}}), q.HasIdCondition(set(range(n)))])))
        if found(None) != set(range(len(records))) - own:
            sys.exit(f"the deletion left {sorted(found(None))}")
        shard.close()
    print(json.dumps({"compared": compared, "found": total, "narrower": narrower}))


main()
