# SPDX-License-Identifier: GPL-3.0-or-later
"""What a comparison found, as JSON, as Markdown and as plots."""
import json
import os
import re
import statistics

import plot
import rows

BEGIN, END = "<!-- bench/compare/run: begin -->", "<!-- bench/compare/run: end -->"
NOISY_CORES = 0.15  # kept busy by others when it began
NOISY_SPREAD = 0.15  # of the median, between the quartiles


def spread(values):
    """→ (least, most)"""
    return min(values), max(values)


def median(result, case):
    """→ the median of a case, of `case:p99` or `case:added`, or None when it was not measured"""
    case, _, what = case.partition(":")
    runs = result["values"].get(case)
    if not runs:
        return None
    if what == "p99":
        return statistics.median(r["p99"] for r in runs)
    value = statistics.median(r["value"] for r in runs)
    if what == "added":
        shard = median(result, "shard-latency")
        return None if shard is None or shard >= value else value - shard  # less than the shard alone: that was noise, not a time
    return value


def number(x):
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def noise(result):
    """→ why these figures are not to be quoted; [] when nothing speaks against it"""
    found = []
    if result["quick"]:
        found.append("it was a `--quick` run, which shows that everything works and not who is how fast")
    if result["busy"] > NOISY_CORES:
        found.append(f"other processes kept {result['busy']:.2f} cores busy when it began")
    if not result["alone"]:
        found.append("there is one core only, or no `taskset`: proxy, shard and load share it")
    for group in rows.GROUPS:
        for case in group.cases:
            values = [r["value"] for r in result["values"].get(case.id, [])]
            if len(values) >= 4:
                low, _, high = statistics.quantiles(values, n=4)
                if high - low > NOISY_SPREAD * statistics.median(values):
                    found.append(f"the runs of `{case.id}` differ by {100 * (high - low) / statistics.median(values):.0f} % between the quartiles")
            late = [r for r in result["values"].get(case.id, []) if "rate" in r and r["requests_per_second"] < 0.95 * r["rate"]]
            if late:
                found.append(f"the load generator could not keep to the rate of `{case.id}`")
    return found


def goals(result):
    """→ for each goal: (goal, measured, against, what is compared with the limit, met?); None where something was not measured"""
    for goal in rows.GOALS:
        value = median(result, goal.case)
        against = median(result, goal.against) if goal.against else None
        if value is None or (goal.against and not against):
            yield goal, value, against, None, None
            continue
        compared = value / against if goal.against else value
        yield goal, value, against, compared, compared <= goal.limit if goal.most else compared >= goal.limit


def markdown(result, groups):
    m, versions = result["machine"], ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    out = [f"{m['day']}, {m['processor']}, {m['cores']} cores, Linux {m['kernel']}; {versions}. {result['runs']} runs of each case, in turn; "
           f"{result['seconds'] / 60:.0f} minutes.", ""]
    why = noise(result)
    if why:
        out += ["**A noisy run:** " + "; ".join(why) + ".", ""]
    for name, reason in result["skipped"].items():
        out += [f"Not compared: {name} ({reason}).", ""]
    out += ["| work | goal | measured | against | ratio | |", "|---|---|--:|--:|--:|---|"]
    for goal, value, against, compared, met in goals(result):
        out.append(f"| {goal.work} | {goal.text} | {'–' if value is None else number(value)} | {'–' if against is None else number(against)} | "
                   f"{'–' if compared is None or not goal.against else f'{compared:.2f}'} | {'not measured' if met is None else 'met' if met else '**missed**'} |")
    for group in groups:
        # What a table has beside the median, least and most: the medians of these.
        more = {"latency": [("p99", "p99"), ("p99.9", "p999_us"), ("requests/s", "rate")], "requests": [("MiB", "memory_mib")],
                "large": [("MiB", "memory_mib"), ("workloads known", "workloads"), ("live proofs", "proofs")], "floods": [("of the flood, a second", "flood")]}.get(group.id, [])
        title = group.title + (f" ({result['idle']:,} of them)" if group.id == "idle" else "")
        out += ["", f"**{title}**, {group.unit}" + (" (p50)" if group.id == "latency" else ""), "",
                "| | median | least | most |" + "".join(f" {name} |" for name, _ in more), "|---|--:|--:|--:|" + "--:|" * len(more)]
        for case in group.cases:
            runs = result["values"].get(case.id)
            if not runs:
                out.append(f"| {case.title} | not measured | | |" + " |" * len(more))
                continue
            low, high = spread([r["value"] for r in runs])
            out.append(f"| {case.title} | {number(median(result, case.id))} | {number(low)} | {number(high)} |" +
                       "".join(f" {number(statistics.median(r[key] for r in runs))} |" for _, key in more))
    return "\n".join(out) + "\n"


def write(folder, result, groups):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "compare.json"), "w") as f:
        json.dump({**result, "goals": [{"work": g.work, "goal": g.text, "measured": v, "against": a, "compared": c, "met": met}
                                       for g, v, a, c, met in goals(result)], "noise": noise(result)}, f, indent=1)
        f.write("\n")
    with open(os.path.join(folder, "compare.md"), "w") as f:
        f.write(markdown(result, groups))
    for group in groups:
        bars = [(case.title, median(result, case.id), *spread([r["value"] for r in result["values"][case.id]]), case.peer.startswith("sallyport"))
                for case in group.cases if case.id in result["values"]]
        with open(os.path.join(folder, f"{group.id}.svg"), "w") as f:
            f.write(plot.bars(group.title, f"{group.unit}, {group.better} is better", bars))


def into_docs(path, result, groups):
    text = open(path).read()
    new = f"{BEGIN}\n{markdown(result, groups)}{END}"
    text, n = re.subn(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: new, text, flags=re.S)
    if n != 1:
        raise SystemExit(f"{path}: the place of the tables is not there: {BEGIN} … {END}")
    with open(path, "w") as f:
        f.write(text)
