// Two runs side by side, by the rules of `mlopskit diff`; everything from data becomes text nodes.
const mlopskitCompare = (() => {
  "use strict";
  const METHOD = "MOVER on the two runs' own intervals, treated as independent";
  const SAME_ROWS = "conservative here: both runs used the same test rows, so the true interval is usually narrower";
  const RANK = { met: 2, undecided: 1 };
  const ended = (status) => status === "done" || status === "reused";
  const mapOf = (found) => new Map(Object.entries(found || {}));
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  const changes = (before, after) => [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => !before.has(name) || !after.has(name) || !same(before.get(name), after.get(name)))
    .map((name) => ({ name, before: before.get(name), after: after.get(name) }));

  // Newcombe (1998), method 10; Zou and Donner (2008).
  const mover = ([old, oldLow, oldHigh], [now, nowLow, nowHigh]) => [
    now - old - Math.hypot(now - nowLow, oldHigh - old), now - old + Math.hypot(nowHigh - now, old - oldLow)];

  const differ = (metric, before, after, better, where = ["", ""]) => {
    const found = { metric, where, before, after, difference: null, low: null, high: null, verdict: "unknown" };
    if (!before || !after || before[0] === null || after[0] === null) {
      if (before && after && before[0] === null && after[0] === null) found.verdict = "equal";
      return found;
    }
    found.difference = after[0] - before[0];
    if (same(before.slice(0, 3), after.slice(0, 3))) return { ...found, difference: 0, verdict: "equal" };
    if (before.slice(0, 3).includes(null) || after.slice(0, 3).includes(null)) return found;
    [found.low, found.high] = mover(before, after);
    found.verdict = found.low <= 0 && found.high >= 0 ? "noise"
      : better === undefined ? "different" : (found.low > 0) === better ? "better" : "worse";
    return found;
  };

  const rowsOf = (rows) => new Map(rows.map((row) => [JSON.stringify(row.slice(0, 3)), row.slice(3)]));
  const measures = (before, after, better) => {
    if (!before || !after) return [];
    const old = rowsOf(before), now = rowsOf(after);
    return [...new Set([...old.keys(), ...now.keys()])].map((key) => {
      const [slice, group, metric] = JSON.parse(key);
      return differ(metric, old.get(key), now.get(key), better.get(metric), [slice, group]);
    });
  };

  const headline = (before, after, metrics, better) => {
    if (!before || !after || before[0] !== after[0]) return [];
    const named = (metrics || []).filter((row) => before[1] !== null && row[3] === before[1]);
    const ways = [...new Set(named.map((row) => better.get(row[2])))];
    return [differ(before[0], before.slice(1), after.slice(1), ways.length === 1 ? ways[0] : undefined)];
  };

  const criteria = (before, after) => {
    if (!before.readable || !after.readable) return [];
    const states = (run) => new Map(run.criteria.map(([name, status]) => [name, status]));
    const reasons = new Map(after.criteria.map(([name, , reason]) => [name, reason]));
    return changes(states(before), states(after)).map((item) => ({
      name: item.name, before: item.before || "not judged", after: item.after || "not judged",
      reason: reasons.get(item.name) || "", worse: (RANK[item.after] || 0) < (RANK[item.before] || 0) }));
  };

  const tables = (before, after, differing) => {
    const old = mapOf(before.data), now = mapOf(after.data);
    return differing.filter((item) => old.has(item.name) || now.has(item.name)).map((item) => {
      const [a, b] = [old.get(item.name), now.get(item.name)];
      const beyond = (one, other) => (one && other ? one[1].filter((name) => !other[1].includes(name)) : []);
      return { ...item, rows: [a, b].map((shape) => (shape ? shape[0] : undefined)), added: beyond(b, a), removed: beyond(a, b) };
    });
  };

  // Figures of either run: where each lies on the site, and what it shows in words; a lost one has no place.
  const figures = (before, after, differing) => {
    const old = mapOf(before.figures), now = mapOf(after.figures), apart = new Set(differing.map((item) => item.name));
    const drawn = (name) => name.endsWith(".svg");
    return {
      figures: differing.filter((item) => drawn(item.name)).map((item) => ({ name: item.name, before: old.get(item.name), after: now.get(item.name) })),
      equal: [...mapOf(before.artefacts).keys()].filter((name) => drawn(name) && !apart.has(name)),
    };
  };

  // Lines that were taken out and put in, by the longest common subsequence; a cell is short.
  const NEAR = 2;
  const near = (said) => {  // of what is equal only what stands beside a change, as in a unified diff
    const kept = said.map((_, place) => said.slice(Math.max(0, place - NEAR), place + NEAR + 1).some((line) => line[0] !== " "));
    const short = [];
    for (let place = 0; place < said.length; place += 1) {
      if (kept[place]) { short.push(said[place]); continue; }
      let left = place;
      while (left < said.length && !kept[left]) left += 1;
      short.push(left - place === 1 ? said[place] : `  … ${left - place} equal lines`);
      place = left - 1;
    }
    return short;
  };
  const lineDiff = (before, after) => {
    const a = before ? before.split("\n") : [], b = after ? after.split("\n") : [];
    if (a.length * b.length > 250000) return [...a.map((line) => `-${line}`), ...b.map((line) => `+${line}`)];
    const best = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i -= 1) for (let j = b.length - 1; j >= 0; j -= 1) {
      best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    }
    const said = [];
    for (let i = 0, j = 0; i < a.length || j < b.length;) {
      if (i < a.length && j < b.length && a[i] === b[j]) { said.push(` ${a[i]}`); i += 1; j += 1; }
      else if (j >= b.length || (i < a.length && best[i + 1][j] >= best[i][j + 1])) { said.push(`-${a[i]}`); i += 1; }
      else { said.push(`+${b[j]}`); j += 1; }
    }
    return near(said);
  };

  const code = (before, after) => [...mapOf(before.code).keys()].flatMap((phase) => {
    const old = mapOf(mapOf(before.code).get(phase)), other = mapOf(after.code).get(phase);
    if (!other) return [];
    const now = mapOf(other);
    const cells = changes(old, now).map((item) => ({ phase, cell: item.name, lines: lineDiff(item.before, item.after),
      kind: item.before === undefined ? "added" : item.after === undefined ? "removed" : "changed" }));
    const orders = [[...old.keys()].filter((cell) => now.has(cell)), [...now.keys()].filter((cell) => old.has(cell))];
    return [...cells, ...orders[1].filter((cell, place) => cell !== orders[0][place])
      .map((cell) => ({ phase, cell, kind: "moved", lines: [] }))];
  });

  return (before, after) => {
    const better = new Map([...mapOf(before.better), ...mapOf(after.better)]);
    const artefacts = changes(mapOf(before.artefacts), mapOf(after.artefacts));
    const readable = before.readable && after.readable;
    const found = {
      readable, artefacts, criteria: criteria(before, after), problems: [...before.problems, ...after.problems],
      phases: readable ? changes(mapOf(before.phases), mapOf(after.phases)).filter((item) => ended(item.before) !== ended(item.after)) : [],
      measures: [...headline(before.headline, after.headline, before.metrics && after.metrics ? before.metrics : [], better), ...measures(before.metrics, after.metrics, better)],
      slices: measures(before.groups, after.groups, better), data: tables(before, after, artefacts), code: code(before, after),
      ...figures(before, after, artefacts),
      method: before.testRows && before.testRows === after.testRows ? `${METHOD}; ${SAME_ROWS}` : METHOD,
    };
    for (const name of ["parameters", "source", "environment", "distributions"]) {  // what a damaged manifest does not say is not known
      found[name] = readable || name === "source" ? changes(mapOf(before[name]), mapOf(after[name])) : [];
    }
    found.worsened = [
      ...found.phases.filter((item) => !ended(item.after)).map((item) => `phase ${item.name}: ${item.before} → ${item.after || "not there"}`),
      ...found.criteria.filter((item) => item.worse).map((item) => `criterion ${item.name}: ${item.before} → ${item.after}`),
      ...found.measures.filter((item) => item.verdict === "worse").map((item) => `metric ${item.metric}: worse beyond noise`)];
    return found;
  };
})();
