// SPDX-License-Identifier: GPL-3.0-or-later
// Schemas made by chance, and policies over them that mostly are of the right types: what a validator has to judge. Everything follows from
// a seed. A fault is put in now and then – an attribute that is not there or not asked for, an operand of another type, an entity nobody
// declared – also where it does not matter, behind what is constantly false.
//
// Expressions and policies have the form of cedar_make.mjs, so that cedar_shrink.mjs can take them apart.
import { quote, random } from './cedar_make.mjs'

const ENTITIES = ['User', 'Group', 'Doc', 'Acme::Thing', 'Acme::Box']
const NAMES = ['flag', 'level', 'name', 'owner', 'labels', 'info', 'price', 'net', 'at', 'ttl', 'two words', 'if', 'ö"']
const EXTENSIONS = { decimal: ['1.0', '-0.5'], ipaddr: ['1.2.3.4', '10.0.0.0/8'], datetime: ['2024-01-01', '2024-10-15T11:35:00Z'], duration: ['1d', '-90s'] }
const MAKERS = { decimal: 'decimal', ipaddr: 'ip', datetime: 'datetime', duration: 'duration' }
const PLAIN = /^[A-Za-z_][A-Za-z0-9_]*$/
const plain = name => PLAIN.test(name) && name !== 'if'

const BOOL = { k: 'bool' }, LONG = { k: 'long' }, STRING = { k: 'string' }
const entity = name => ({ k: 'entity', name }), set = of => ({ k: 'set', of }), extension = name => ({ k: 'ext', name })
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)

// ---- schemas

export class World {
  constructor(seed) {
    const r = this.r = random(seed)
    this.entities = new Map()
    for (const name of ENTITIES) this.entities.set(name, { parents: ENTITIES.filter(() => r.chance(25)), attrs: {}, tags: undefined })
    this.entities.set('Color', { enum: ['red', 'two "words"'], parents: [], attrs: {} })
    this.common = r.chance(50) ? { Common: this.type(1), Other: this.record(1) } : {}
    for (const e of this.entities.values()) {
      if (e.enum) continue
      e.attrs = this.record(0).attrs
      if (r.chance(50)) e.tags = this.type(1)
    }
    this.actions = new Map()
    for (const name of ['read', 'write', 'Acme::peek', 'all', 'two words']) {
      const of = () => ['User', 'Acme::Thing', 'Doc', 'Group', 'Color'].filter(() => r.chance(45))
      const action = { parents: name !== 'all' && r.chance(50) ? ['all'] : [] }
      const [principals, resources] = [of(), of()]
      if (name !== 'all' && principals.length && resources.length) Object.assign(action, { principals, resources, context: this.record(0) })
      this.actions.set(name, action)
    }
  }

  type(depth) {
    const { r } = this
    const n = r.below(depth > 2 ? 9 : 13)
    if (n < 2) return BOOL
    if (n < 4) return LONG
    if (n < 6) return STRING
    if (n < 8) return entity(r.pick([...ENTITIES, 'Color']))
    if (n < 9) return extension(r.pick(Object.keys(EXTENSIONS)))
    if (n < 11) return set(this.type(depth + 1))
    if (n < 12 && this.common && Object.keys(this.common).length) {
      const name = r.pick(Object.keys(this.common))
      return { ...this.common[name], common: name }
    }
    return this.record(depth + 1)
  }

  record(depth) {
    const attrs = {}
    for (const name of NAMES) if (this.r.chance(depth ? 20 : 45)) attrs[name] = { ...this.type(depth + 1), optional: this.r.chance(45) }
    return { k: 'record', attrs }
  }

  typeJson(t) {
    if (t.common) return { type: t.common }
    switch (t.k) {
      case 'bool': return { type: 'Boolean' }
      case 'long': return { type: 'Long' }
      case 'string': return { type: 'String' }
      case 'entity': return { type: 'Entity', name: t.name }
      case 'ext': return { type: 'Extension', name: t.name }
      case 'set': return { type: 'Set', element: this.typeJson(t.of) }
      default: return { type: 'Record', attributes: Object.fromEntries(Object.entries(t.attrs).map(([n, a]) => [n, { ...this.typeJson(a), required: !a.optional }])) }
    }
  }

  // Cedar's schema as JSON: what is called Acme::X is in the namespace Acme.
  json() {
    const out = { '': { commonTypes: {}, entityTypes: {}, actions: {} }, Acme: { entityTypes: {}, actions: {} } }
    const split = name => name.startsWith('Acme::') ? ['Acme', name.slice(6)] : ['', name]
    for (const [name, t] of Object.entries(this.common)) out[''].commonTypes[name] = this.typeJson({ ...t, common: undefined })
    for (const [name, e] of this.entities) {
      const [space, id] = split(name)
      out[space].entityTypes[id] = e.enum ? { enum: e.enum } : { memberOfTypes: e.parents, shape: this.typeJson({ k: 'record', attrs: e.attrs }), ...(e.tags && { tags: this.typeJson(e.tags) }) }
    }
    for (const [name, a] of this.actions) {
      const [space, id] = split(name)
      out[space].actions[id] = { memberOf: a.parents.map(p => ({ id: p, type: 'Action' })), ...(a.principals && { appliesTo: { principalTypes: a.principals, resourceTypes: a.resources, context: this.typeJson(a.context) } }) }
    }
    return out
  }

  actionText(name) {
    return name.startsWith('Acme::') ? `Acme::Action::${quote(name.slice(6))}` : `Action::${quote(name)}`
  }
}

// ---- policies

export class TypedMaker {
  constructor(world, seed) {
    this.w = world
    this.r = random(seed)
  }

  node(...parts) { return { type: 'x', parts } }
  atom(...parts) { return { type: 'x', parts, atom: true } }
  paren(e) { return e.atom ? e : this.atom('(', e, ')') }
  fault(percent = 2) { return this.r.chance(percent) }

  id(name) {
    const e = this.w.entities.get(name)
    return e?.enum && !this.fault(5) ? this.r.pick(e.enum) : this.r.pick(['a', 'b', ''])
  }
  uid(name) {
    if (this.fault(1)) name = 'Nobody'
    return `${name}::${quote(this.id(name))}`
  }

  literal(t) {
    const { r } = this
    switch (t.k) {
      case 'bool': return this.atom(r.pick(['true', 'false']))
      case 'long': return this.atom(String(r.below(5)))
      case 'string': return this.atom(quote(r.pick(['', 'a', 'b c'])))
      case 'entity': return this.atom(this.uid(t.name))
      case 'ext': return this.atom(`${MAKERS[t.name]}(${quote(this.fault(3) ? 'bad' : r.pick(EXTENSIONS[t.name]))})`)
      case 'set': return this.listed(Array.from({ length: this.fault(4) ? 0 : r.between(1, 2) }, () => this.literal(t.of)))
      default: return this.recorded(t, a => this.literal(a))
    }
  }
  listed(items) { return this.atom('[', ...items.flatMap((e, i) => i ? [', ', e] : [e]), ']') }
  recorded(t, make) {
    const list = Object.entries(t.attrs).filter(([, a]) => !this.fault(3) && (!a.optional || this.r.chance(70)))
    return this.atom('{', ...list.flatMap(([n, a], i) => [i ? ', ' : '', plain(n) ? n : quote(n), ': ', make(a)]), '}')
  }

  access(base, name) { return this.atom(base, ...(plain(name) && this.r.chance(85) ? ['.', name] : ['[', quote(name), ']'])) }
  has(base, name) { return this.node(base, ' has ', plain(name) && this.r.chance(80) ? name : quote(name)) }

  // What can be reached from the variables, each with the tests that must come first.
  paths() {
    const out = []
    const walk = (base, t, guards, depth) => {
      out.push({ base, t, guards })
      if (depth > 3) return
      const attrs = t.k === 'record' ? t.attrs : t.k === 'entity' ? this.w.entities.get(t.name)?.attrs ?? {} : {}
      for (const [n, a] of Object.entries(attrs)) {
        if (depth > 1 && this.r.chance(50)) continue
        walk(this.access(base, n), a, a.optional ? [...guards, this.has(base, n)] : guards, depth + 1)
      }
      if (t.k === 'entity' && this.w.entities.get(t.name)?.tags && this.r.chance(60)) {
        const key = this.literal(STRING)
        walk(this.atom(base, '.getTag(', key, ')'), this.w.entities.get(t.name).tags, [...guards, this.atom(base, '.hasTag(', key, ')')], depth + 1)
      }
    }
    const { principal, resource, action } = this.env
    walk(this.atom('principal'), entity(principal), [], 0)
    walk(this.atom('resource'), entity(resource), [], 0)
    walk(this.atom('context'), this.w.actions.get(action).context, [], 0)
    return out
  }

  bare(t) {
    const { optional, common, ...rest } = t
    if (rest.k === 'set') return { ...rest, of: this.bare(rest.of) }
    if (rest.k === 'record') return { ...rest, attrs: Object.fromEntries(Object.entries(rest.attrs).map(([n, a]) => [n, { ...this.bare(a), ...(a.optional && { optional: true }) }])) }
    return rest
  }

  path(t) {
    const list = this.reach.filter(p => same(p.t2, this.bare(t)))
    return list.length ? this.r.pick(list) : undefined
  }

  join(op, list) { return this.node(...list.flatMap((e, i) => i ? [` ${op} `, this.paren(e)] : [this.paren(e)])) }

  guarded(p, use, otherwise) {
    if (!p.guards.length || this.fault(4)) return use
    const guards = this.fault(3) ? p.guards.slice(1) : p.guards
    if (!guards.length) return use
    const test = this.join('&&', guards)
    return otherwise ? this.atom('(if ', test, ' then ', use, ' else ', otherwise, ')') : this.node(test, ' && ', this.paren(use))
  }

  anyType() {
    const { r } = this
    return r.chance(70) ? r.pick(this.reach).t2 : r.pick([BOOL, LONG, STRING, entity('User'), set(STRING), set(LONG), extension('decimal'), set(entity('Group')), { k: 'record', attrs: { a: LONG } }])
  }

  expr(t, depth) {
    const { r } = this
    if (this.fault(2)) t = this.anyType()
    if (t.k === 'bool' && depth > 0 && r.chance(60)) return this.bool(depth)
    const p = r.chance(depth > 0 ? 55 : 80) && this.path(t)
    if (p) return this.guarded(p, p.base, this.literal(t))
    if (depth <= 0) return this.literal(t)
    if (r.chance(12)) return this.atom('(if ', this.bool(depth - 1), ' then ', this.expr(t, depth - 1), ' else ', this.expr(t, depth - 1), ')')
    const of = x => this.paren(this.expr(x, depth - 1)), x = name => extension(name)
    switch (t.k) {
      case 'long':
        if (r.chance(25)) return this.atom(of(x('duration')), `.${r.pick(['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays'])}()`)
        return r.chance(20) ? this.node('-', of(LONG)) : this.node(of(LONG), r.pick([' + ', ' - ', ' * ']), of(LONG))
      case 'set': return this.listed(Array.from({ length: r.between(1, 3) }, () => this.expr(t.of, depth - 1)))
      case 'record': return this.recorded(t, a => this.expr(a, depth - 1))
      case 'ext':
        if (t.name === 'datetime') return r.chance(50) ? this.atom(of(t), '.offset(', of(x('duration')), ')') : this.atom(of(t), '.toDate()')
        if (t.name === 'duration') return r.chance(50) ? this.atom(of(x('datetime')), '.durationSince(', of(x('datetime')), ')') : this.atom(of(x('datetime')), '.toTime()')
        return this.fault(4) ? this.atom(`${MAKERS[t.name]}(`, of(STRING), ')') : this.literal(t)
      default: return this.literal(t)
    }
  }

  // Of any entity type, mostly one that is at hand.
  someEntity(depth) { return this.paren(this.expr(entity(this.r.chance(50) ? this.r.pick([this.env.principal, this.env.resource]) : this.r.pick([...ENTITIES, 'Color'])), depth - 1)) }

  bool(depth) {
    const { r } = this
    if (depth <= 0) return this.expr(BOOL, 0)
    const of = t => this.paren(this.expr(t, depth - 1)), b = () => this.paren(this.bool(depth - 1)), x = name => extension(name)
    const how = [
      [10, () => this.node(b(), ' && ', b())],
      [8, () => this.node(b(), ' || ', b())],
      [4, () => this.node('!', b())],
      [10, () => { const t = this.anyType(); return this.node(of(t), r.pick([' == ', ' != ']), of(t)) }],
      [2, () => this.node(this.someEntity(depth), ' == ', this.someEntity(depth))],
      [8, () => this.node(of(LONG), r.pick([' < ', ' <= ', ' > ', ' >= ']), of(LONG))],
      [3, () => { const t = x(r.pick(['datetime', 'duration'])); return this.node(of(t), r.pick([' < ', ' <= ', ' > ', ' >= ']), of(t)) }],
      [6, () => this.node(this.someEntity(depth), ' in ', this.someEntity(depth))],
      [3, () => this.node(this.someEntity(depth), ' in ', of(set(entity(r.pick(ENTITIES)))))],
      [2, () => this.node('action in ', r.chance(50) ? this.atom(this.w.actionText(r.pick([...this.w.actions.keys()]))) : this.listed([...this.w.actions.keys()].filter(() => r.chance(40)).map(a => this.atom(this.w.actionText(a)))))],
      [1, () => this.node('action == ', this.atom(this.w.actionText(r.pick([...this.w.actions.keys()]))))],
      [4, () => this.node(this.someEntity(depth), ' is ', r.pick([...ENTITIES, 'Color', ...(this.fault(10) ? ['Nobody'] : [])]))],
      [2, () => this.node(this.someEntity(depth), ' is ', r.pick(ENTITIES), ' in ', this.someEntity(depth))],
      [5, () => { const p = r.pick(this.reach.filter(q => q.t.k === 'entity' || q.t.k === 'record')); return this.guarded(p, this.has(p.base, r.pick(NAMES))) }],
      // A test, then what it allows.
      [12, () => { const list = this.reach.filter(q => q.guards.length); const p = list.length && r.pick(list); return p ? this.guarded(p, this.node(this.paren(p.base), ' == ', of(p.t2))) : b() }],
      // The same, spread over more than one place.
      [5, () => { const list = this.reach.filter(q => q.guards.length); const p = list.length && r.pick(list); if (!p) return b(); const use = this.paren(this.node(this.paren(p.base), ' == ', of(p.t2))); return this.node(this.paren(this.node(this.join('&&', p.guards), r.pick([' && ', ' || ']), b())), r.pick([' && ', ' && ', ' || ']), use) }],
      [2, () => { const list = this.reach.filter(q => q.guards.length); const p = list.length && r.pick(list); if (!p) return b(); const use = this.paren(this.node(this.paren(p.base), ' == ', of(p.t2))); return this.node('!(', this.join('&&', p.guards), ') || ', use) }],
      [3, () => { const list = this.reach.filter(q => q.guards.length); const p = list.length && r.pick(list); if (!p) return b(); const use = this.paren(this.node(this.paren(p.base), ' == ', of(p.t2))); return this.node('if ', this.paren(this.join('&&', p.guards)), r.pick([' && ', ' || ']), b(), ' then ', use, ' else ', b()) }],
      [3, () => this.node(of(STRING), ' like ', r.pick(['"*"', '"a*"', '"\\*"']))],
      [4, () => { const t = this.anyType(); return this.atom(of(set(t)), '.contains(', of(t), ')') }],
      [3, () => { const t = set(this.anyType()); return this.atom(of(t), `.${r.pick(['containsAll', 'containsAny'])}(`, of(t), ')') }],
      [2, () => this.atom(of(set(this.anyType())), '.isEmpty()')],
      [3, () => this.atom(this.someEntity(depth), '.hasTag(', of(STRING), ')')],
      [2, () => this.atom(of(x('decimal')), `.${r.pick(['lessThan', 'greaterThanOrEqual'])}(`, of(x('decimal')), ')')],
      [2, () => this.atom(of(x('ipaddr')), `.${r.pick(['isIpv4', 'isLoopback'])}()`)],
      [2, () => this.atom(of(x('ipaddr')), '.isInRange(', of(x('ipaddr')), ')')],
      // What is behind a constant is not looked at, or only looked at.
      [3, () => this.node(r.pick(['false && ', 'true || ', 'true && ', 'false || ']), this.paren(this.fault(40) ? this.wrong(depth) : this.bool(depth - 1)))],
      [2, () => this.node('if ', r.pick(['true', 'false', 'principal is User', 'resource is Doc']), ' then ', b(), ' else ', this.fault(40) ? this.wrong(depth) : b())],
    ]
    let at = r.below(how.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, make] of how) if ((at -= weight) < 0) return make()
    return b()
  }

  wrong(depth) {
    return this.r.pick([() => this.node('1 == "a"'), () => this.node('principal.nothing'), () => this.node('1'), () => this.node('"a" < 1'), () => this.node('principal in "a"'), () => this.expr(STRING, depth - 1)])()
  }

  scope(name, type, slot) {
    const { r } = this
    const uid = t => slot ? `?${name}` : this.uid(t)
    const other = () => r.pick([...ENTITIES, 'Color', type, type])
    switch (slot ? r.pick(['==', 'in', 'is in']) : r.pick(['', '', 'is', 'is', '==', 'in', 'is in'])) {
      case 'is': return `${name} is ${this.fault(3) ? other() : type}`
      case '==': return `${name} == ${uid(this.fault(5) ? other() : type)}`
      case 'in': return `${name} in ${uid(r.chance(60) ? type : other())}`
      case 'is in': return `${name} is ${type} in ${uid(other())}`
      default: return name
    }
  }

  actions() {
    const { r } = this
    const one = () => this.fault(1) ? 'Action::"nope"' : this.w.actionText(this.env.action)
    const any = () => this.w.actionText(r.pick([...this.w.actions.keys()]))
    switch (r.below(8)) {
      case 0: return 'action'
      case 1: return `action in ${any()}`
      case 2: return `action in [${[one(), any()].slice(r.below(2)).join(', ')}]`
      default: return `action == ${one()}`
    }
  }

  policy(id) {
    const { r } = this
    const usable = [...this.w.actions].filter(([, a]) => a.principals)
    if (!usable.length) return undefined
    const [action, a] = r.pick(usable)
    this.env = { action, principal: r.pick(a.principals), resource: r.pick(a.resources) }
    this.reach = this.paths().map(p => ({ ...p, t2: this.bare(p.t) }))
    const slots = r.chance(12) ? { principal: r.chance(60), resource: r.chance(60) } : {}
    const conditions = Array.from({ length: r.pick([0, 1, 1, 1, 1, 1, 2]) }, () => ({ kind: r.chance(80) ? 'when' : 'unless', expr: this.bool(r.pick([1, 1, 2, 2, 3, 4])) }))
    return {
      id, effect: r.chance(80) ? 'permit' : 'forbid',
      head: [this.scope('principal', this.env.principal, slots.principal), this.actions(), this.scope('resource', this.env.resource, slots.resource)],
      slots: ['principal', 'resource'].filter(s => slots[s]), conditions,
    }
  }
}
