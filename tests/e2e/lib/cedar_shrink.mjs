// SPDX-License-Identifier: GPL-3.0-or-later
// Makes a case that fails small: whatever can be left out, or replaced by something simpler, without it ceasing to fail.

// Every tree that is one step simpler: a part in place of the whole, or a constant in place of a part.
function* simpler(tree) {
  if (typeof tree === 'string') return
  const trees = tree.parts.filter(p => typeof p !== 'string')
  yield* trees
  for (const word of ['true', '0', '""']) if (tree.parts.length > 1 || (tree.parts[0] !== word && trees.length)) yield { type: tree.type, parts: [word], atom: true }
  for (let i = 0; i < tree.parts.length; i++) {
    for (const part of simpler(tree.parts[i])) yield { ...tree, parts: tree.parts.with ? tree.parts.with(i, part) : tree.parts.map((p, k) => k === i ? part : p) }
  }
}

const without = (list, i) => list.filter((_, k) => k !== i)
const replaced = (list, i, by) => list.map((e, k) => k === i ? by : e)

function* lists(of, key) {
  for (let i = 0; i < of[key].length; i++) yield { ...of, [key]: without(of[key], i) }
}

function* members(record) {
  for (const name of Object.keys(record)) {
    const { [name]: _, ...rest } = record
    yield rest
  }
}

function* smallerEntity(e) {
  yield* lists(e, 'parents')
  for (const attrs of members(e.attrs)) yield { ...e, attrs }
  if (e.tags) {
    const { tags, ...rest } = e
    yield rest
    for (const fewer of members(tags)) yield { ...e, tags: fewer }
  }
}

function* smallerPolicy(p) {
  yield* lists(p, 'conditions')
  const plain = ['principal', 'action', 'resource']
  for (let i = 0; i < 3; i++) {
    if (p.head[i] === plain[i] || p.slots.includes(plain[i])) continue
    yield { ...p, head: replaced(p.head, i, plain[i]) }
  }
  for (let i = 0; i < p.conditions.length; i++) {
    const c = p.conditions[i]
    if (c.kind === 'unless') yield { ...p, conditions: replaced(p.conditions, i, { ...c, kind: 'when' }) }
    for (const expr of simpler(c.expr)) yield { ...p, conditions: replaced(p.conditions, i, { ...c, expr }) }
  }
}

function* smaller(c) {
  for (const policy of c.policies) {
    yield { ...c, policies: c.policies.filter(p => p !== policy), links: c.links.filter(l => l.template !== policy.id) }
  }
  yield* lists(c, 'links')
  yield* lists(c, 'entities')
  for (let i = 0; i < c.policies.length; i++) for (const p of smallerPolicy(c.policies[i])) yield { ...c, policies: replaced(c.policies, i, p) }
  for (let i = 0; i < c.entities.length; i++) for (const e of smallerEntity(c.entities[i])) yield { ...c, entities: replaced(c.entities, i, e) }
  for (const context of members(c.request.context)) yield { ...c, request: { ...c.request, context } }
}

// `fails` tells, maybe later, whether a case still does. At most `tries` questions.
export async function shrink(found, fails, tries = 5000) {
  let again = true
  while (again && tries > 0) {
    again = false
    for (const candidate of smaller(found)) {
      if (--tries <= 0) break
      if (!await fails(candidate)) continue
      found = candidate
      again = true
      break
    }
  }
  return found
}
