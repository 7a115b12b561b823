// SPDX-License-Identifier: GPL-3.0-or-later
// Published cases of Cedar, changed by chance: parts of one policy in the place of parts of another, operators, literals and scopes replaced, types of
// a schema made others. What comes of it looks like what the published generator makes, and is mostly wrong in one place. Policies and
// schemas are in Cedar's JSON.
import { random } from './cedar_make.mjs'

const SAME = [
  ['==', '!='], ['<', '<=', '>', '>='], ['+', '-', '*'], ['&&', '||'], ['contains', 'containsAll', 'containsAny', 'in', '=='], ['getTag', 'hasTag'],
  ['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual', 'isInRange', 'offset', 'durationSince'], ['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast', 'toTime', 'toDate', 'toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays'],
  ['ip', 'decimal', 'datetime', 'duration'], ['!', 'neg', 'isEmpty'],
]
const LITERALS = [true, false, 0, 1, -1, 9007199254740991, '', 'a', '*', '\u0000', 'é', '1.0', '1.2.3.4', '::1', '2024-01-01', '1d', '-1.0000', '::ffff:0:0/96', '2024-10-15T11:35:00.000+0100']
const VARS = ['principal', 'action', 'resource', 'context']

// Places of expressions under a node: [object, key] pairs.
function* places(node) {
  const [key, v] = Object.entries(node)[0]
  if (key === 'Value' || key === 'Var' || key === 'Slot') return
  if (key === 'Record' || Array.isArray(v)) {
    for (const k of Object.keys(v)) yield [v, k]
    return
  }
  for (const k of ['left', 'right', 'arg', 'if', 'then', 'else']) if (v[k] && typeof v[k] === 'object') yield [v, k]
  if (v.in && typeof v.in === 'object') yield [v, 'in']
}
function* all(object, key) {
  yield [object, key]
  for (const [o, k] of places(object[key])) yield* all(o, k)
}

const copy = v => JSON.parse(JSON.stringify(v))

// What there is to take from: expressions and types of all cases.
export class Pool {
  constructor(cases) {
    this.expressions = []
    this.types = []
    for (const c of cases) {
      for (const cond of c.policy.conditions) for (const [o, k] of all(cond, 'body')) if (JSON.stringify(o[k]).length < 600) this.expressions.push(o[k])
      for (const space of Object.values(c.schema)) {
        for (const e of Object.values(space.entityTypes)) for (const a of Object.values(e.shape?.attributes ?? {})) if (closed(a)) this.types.push(a)
      }
    }
  }
}
const closed = t => !/"EntityOrCommon"|"Entity"/.test(JSON.stringify(t)) || /__cedar/.test(JSON.stringify(t)) && !/"Entity"/.test(JSON.stringify(t))

export class Mutator {
  constructor(pool, seed, c) {
    this.r = random(seed)
    this.pool = pool
    this.uids = c.entities.map(e => e.uid)
    for (const r of c.requests) this.uids.push(r.principal, r.action, r.resource)
    this.entityTypes = []
    this.names = new Set(['a', '', 'if'])
    for (const [space, s] of Object.entries(c.schema)) {
      const full = id => space ? `${space}::${id}` : id
      for (const [id, e] of Object.entries(s.entityTypes)) {
        this.entityTypes.push(full(id))
        for (const name of Object.keys(e.shape?.attributes ?? {})) this.names.add(name)
      }
      for (const [id, a] of Object.entries(s.actions)) {
        this.uids.push({ type: full('Action'), id })
        for (const name of Object.keys(a.appliesTo?.context?.attributes ?? {})) this.names.add(name)
      }
    }
    this.names = [...this.names]
  }

  uid() { return copy(this.r.pick(this.uids)) }

  // Made at home here: names of this schema in place of those of another.
  settled(node) {
    const { r } = this
    for (const [o, k] of all({ it: node }, 'it')) {
      const [key, v] = Object.entries(o[k])[0]
      if (key === 'Value' && v?.__entity && r.chance(80)) o[k] = { Value: { __entity: this.uid() } }
      if ((key === '.' || key === 'has') && typeof v.attr === 'string' && r.chance(80)) v.attr = r.pick(this.names)
      if (key === 'is' && r.chance(80) && this.entityTypes.length) v.entity_type = r.pick(this.entityTypes)
    }
    return node
  }

  fresh(depth = 0) {
    const { r } = this
    switch (r.below(depth > 2 ? 3 : 12)) {
      case 0: return { Value: r.pick(LITERALS) }
      case 1: return { Var: r.pick(VARS) }
      case 2: return { Value: { __entity: this.uid() } }
      case 3: return { '.': { left: this.fresh(depth + 1), attr: r.pick(this.names) } }
      case 4: return { '&&': { left: { has: { left: { Var: r.pick(VARS) }, attr: r.pick(this.names) } }, right: this.fresh(depth + 1) } }
      case 5: return { Set: Array.from({ length: r.below(3) }, () => this.fresh(depth + 1)) }
      case 6: return { Record: Object.fromEntries(Array.from({ length: r.below(3) }, () => [r.pick(this.names), this.fresh(depth + 1)])) }
      case 7: return { 'if-then-else': { if: this.fresh(depth + 1), then: this.fresh(depth + 1), else: this.fresh(depth + 1) } }
      case 8: return this.entityTypes.length ? { is: { left: this.fresh(depth + 1), entity_type: r.pick(this.entityTypes) } } : { Value: true }
      case 9: { const v = r.pick(VARS), name = r.pick(this.names); return { '&&': { left: { has: { left: { Var: v }, attr: name } }, right: { '==': { left: { '.': { left: { Var: v }, attr: name } }, right: { '.': { left: { Var: v }, attr: name } } } } } } }
      default: return this.settled(copy(r.pick(this.pool.expressions)))
    }
  }

  change(o, k) {
    const { r } = this
    const node = o[k], [key, v] = Object.entries(node)[0]
    switch (r.below(10)) {
      case 0: case 1: {
        const group = SAME.find(g => g.includes(key))
        if (group) { o[k] = { [r.pick(group)]: v }; return }
        break
      }
      case 2: o[k] = { '!': { arg: node } }; return
      case 3: o[k] = { [r.pick(['&&', '||', '=='])]: r.chance(50) ? { left: node, right: this.fresh() } : { left: this.fresh(), right: node } }; return
      case 4: o[k] = { 'if-then-else': r.chance(50) ? { if: this.fresh(), then: node, else: this.fresh() } : { if: node, then: this.fresh(), else: this.fresh() } }; return
      case 5: { const ps = [...places(node)]; if (ps.length) { const [po, pk] = r.pick(ps); o[k] = po[pk]; return } break }
      case 6: if (key === 'Value' || r.chance(30)) { o[k] = { Value: r.pick(LITERALS) }; return } break
      case 7: o[k] = { [r.pick(['Set', 'Set', 'Record'])]: [node, this.fresh()] }; if (o[k].Record) o[k] = { Record: { [r.pick(this.names)]: node } }; return
    }
    o[k] = this.fresh()
  }

  scope(s) {
    const { r } = this
    switch (r.below(5)) {
      case 0: return { op: 'All' }
      case 1: return { op: '==', entity: this.uid() }
      case 2: return { op: 'in', entity: this.uid() }
      case 3: return this.entityTypes.length ? { op: 'is', entity_type: r.pick(this.entityTypes), ...(r.chance(40) && { in: { entity: this.uid() } }) } : s
      default: return s
    }
  }

  policy(from) {
    const { r } = this
    const p = copy(from)
    if (r.chance(25)) p[r.pick(['principal', 'resource'])] = this.scope(p.principal)
    if (r.chance(10)) {
      const actions = this.uids.filter(u => /(^|::)Action$/.test(u.type))
      p.action = r.pick([{ op: 'All' }, { op: '==', entity: r.pick(actions) }, { op: 'in', entity: r.pick(actions) }, { op: 'in', entities: actions.filter(() => r.chance(30)) }])
    }
    if (!p.conditions.length || r.chance(5)) p.conditions.push({ kind: r.pick(['when', 'unless']), body: this.fresh() })
    for (let n = r.pick([0, 1, 1, 1, 2, 2, 3]); n > 0; n--) {
      const cond = r.pick(p.conditions)
      const [o, k] = r.pick([...all(cond, 'body')])
      this.change(o, k)
    }
    return p
  }

  // ---- schemas

  type(t) {
    const { r } = this
    switch (r.below(7)) {
      case 0: return r.pick(this.pool.types.length ? this.pool.types : [t])
      case 1: return { type: 'Set', element: t }
      case 2: return this.entityTypes.length ? { type: 'Entity', name: r.pick(this.entityTypes) } : t
      case 3: return { type: r.pick(['String', 'Long', 'Boolean']) }
      case 4: return { type: 'Record', attributes: { a: t } }
      case 5: return { type: 'EntityOrCommon', name: r.pick([...this.entityTypes, 'Long', 'String', '__cedar::Bool', 'ipaddr', '__cedar::datetime', 'decimal']) }
      default: return t
    }
  }
  attributes(attributes) {
    const { r } = this
    const names = Object.keys(attributes)
    if (!names.length || r.chance(30)) { attributes[r.pick(this.names)] = { ...this.type({ type: 'Long' }), required: r.chance(50) }; return }
    const name = r.pick(names), a = attributes[name]
    if (r.chance(40)) a.required = a.required === false
    else if (r.chance(30)) delete attributes[name]
    else { const { required, annotations, ...t } = a; attributes[name] = { ...this.type(t), ...(required === false && { required }) } }
  }
  schema(from) {
    const { r } = this
    const s = copy(from)
    for (let n = r.pick([0, 1, 1, 2, 3]); n > 0; n--) {
      const space = s[r.pick(Object.keys(s))]
      const entities = Object.entries(space.entityTypes), actions = Object.entries(space.actions)
      if (entities.length && r.chance(60)) {
        const [id, e] = r.pick(entities)
        switch (r.below(6)) {
          case 0: if (e.tags) delete e.tags; else if (!e.enum) e.tags = this.type({ type: 'String' }); break
          case 1: if (!e.enum) e.memberOfTypes = this.entityTypes.filter(() => r.chance(30)); break
          case 2: if (r.chance(40)) space.entityTypes[id] = e.enum ? {} : { enum: [r.pick(['', 'a', 'b'])] }; break
          default: if (!e.enum) { e.shape ??= { type: 'Record', attributes: {} }; if (e.shape.attributes) this.attributes(e.shape.attributes) }
        }
      } else if (actions.length) {
        const [, a] = r.pick(actions)
        switch (r.below(4)) {
          case 0: if (a.appliesTo) a.appliesTo[r.pick(['principalTypes', 'resourceTypes'])] = this.entityTypes.filter(() => r.chance(40)); break
          case 1: a.memberOf = r.chance(50) ? [] : [{ id: r.pick(actions)[0] }]; break
          default: if (a.appliesTo) { a.appliesTo.context ??= { type: 'Record', attributes: {} }; if (a.appliesTo.context.attributes) this.attributes(a.appliesTo.context.attributes) }
        }
      }
    }
    return s
  }
}
