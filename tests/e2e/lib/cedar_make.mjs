// SPDX-License-Identifier: GPL-3.0-or-later
// Cedar made by chance: worlds of entities, policies and templates over them, and requests. Everything follows from a seed. Most
// expressions are of the right types, so that evaluation gets far; some are wrong on purpose.
//
// An expression is a tree { type, parts } whose parts are texts and trees, so that a shrinker can take it apart without knowing the
// language. A policy is { id, head, conditions: [{ kind, expr }] }, or of a template also { template: true }.

export function random(seed) {
  let state = BigInt.asUintN(64, BigInt(seed) * 0x9e3779b97f4a7c15n + 1n)
  const next = () => {
    // splitmix64; its upper half.
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n)
    let z = state
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n)
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn)
    return Number((z ^ (z >> 31n)) >> 32n)
  }
  // A seed draws many numbers: small state between the big ones.
  let a = next(), b = next(), c = next(), d = 1
  const draw = () => {
    const t = (a + b + d++) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t | 0
    return t >>> 0
  }
  for (let i = 0; i < 12; i++) draw()
  const below = n => draw() % n
  return {
    below,
    chance: percent => below(100) < percent,
    pick: list => list[below(list.length)],
    between: (from, to) => from + below(to - from + 1),
  }
}

const TYPES = ['User', 'Group', 'Doc', 'Acme::Thing', 'User::Deep::Er']
const IDS = ['a', 'b', 'c', '', 'ann "x"', 'zö\n', '*', 'two words', '\u0000\u007f', '😀', 'principal']
const ACTIONS = [['Action', 'read'], ['Action', 'write'], ['Action', 'all'], ['Acme::Action', 'read']]
const STRINGS = ['', 'a', 'b', 'ab', 'aab', 'a*b', '*', 'docs-1', 'docs', 'ünï', '😀', 'a\\b', '"', "'", '\u0000', '\u0007', 'line\nbreak\t', 'x'.repeat(70)]
const LONGS = ['0', '1', '2', '-1', '7', '100', '4294967296', '9223372036854775807', '-9223372036854775808', '9223372036854775806', '-9223372036854775807', '3037000500']
const DECIMALS = ['0.0', '1.0', '-1.5', '1.2345', '922337203685477.5807', '-922337203685477.5808', '-0.0001', '00.10', '-0.5']
const BAD_DECIMALS = ['1', '1.', '.5', '1.23456', '922337203685477.5808', '+1.0', ' 1.0', '1e3', '', '--1.0', '1.0.0', '٣.0']
const IPS = ['1.2.3.4', '10.0.0.0/8', '10.1.2.3/8', '0.0.0.0/0', '127.0.0.1', '127.0.0.0/8', '127.0.0.1/7', '224.0.0.1', '239.255.255.255/32', '::1', '::', 'ff00::/8', 'ff02::1', '2001:db8::1/64', '::/0', '1:2:3:4:5:6:7:8', 'ABCD::ef', '255.255.255.255', '::ffff', '1::/127', '224.0.0.0/3']
const BAD_IPS = ['1.2.3', '1.2.3.4/33', '01.2.3.4', '1.2.3.4/08', '1.2.3.256', ':::', '::1/129', '::ffff:1.2.3.4', '1.2.3.4/', '', 'localhost', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', 'g::', '1.2.3.4 ', '::1/+1', '1.2.3.4/032', '12345::', '1::2::3', '[::1]', '::1%lo', '1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8']
const DATETIMES = ['2024-01-01', '1970-01-01', '1969-12-31', '2024-02-29', '2024-10-15T11:35:00Z', '2024-10-15T11:35:00.000Z', '2024-10-15T11:35:00+0100', '2024-10-15T11:35:00.999-2359', '0000-01-01', '9999-12-31T23:59:59.999Z', '2000-02-29T00:00:00Z', '1900-03-01', '1969-12-31T23:59:59.001Z']
const BAD_DATETIMES = ['2023-02-29', '2024-13-01', '2024-1-1', '2024-10-15T11:35Z', '2024-10-15T24:00:00Z', '2024-10-15T11:60:00Z', '2024-10-15T11:35:60Z', '2024-10-15T11:35:00', '2024-10-15T11:35:00+01:00', '2024-10-15T11:35:00+2400', '2024-10-15T11:35:00.12Z', '2024-10-15t11:35:00z', '1900-02-29', '', '20240101', '2024-10-15T11:35:00+0060', '-001-01-01', '2024-10-15 11:35:00Z', '2024-10-15T', '10000-01-01', '2016-12-31T23:59:60Z']
const DURATIONS = ['1d', '1h', '2h30m', '-1d12h', '1d2h3m4s5ms', '0ms', '9223372036854775807ms', '-9223372036854775808ms', '106751991167d', '007s', '-1ms', '100h', '90061001ms', '-90061001ms', '-0d']
const BAD_DURATIONS = ['', '-', '1', '1x', '1h1d', '1d 2h', '+1d', '9223372036854775808ms', '106751991168d', '1ms1s', '1d1d', '1.5h', '1D', '-1d-2h', 'd']
const READERS = {
  decimal: [DECIMALS, BAD_DECIMALS], ip: [IPS, BAD_IPS], datetime: [DATETIMES, BAD_DATETIMES], duration: [DURATIONS, BAD_DURATIONS],
}
// Attributes by the type that they mostly have.
const ATTRIBUTES = {
  flag: 'bool', open: 'bool', level: 'long', count: 'long', name: 'string', tenant: 'string', owner: 'entity', boss: 'entity',
  labels: 'set:string', levels: 'set:long', friends: 'set:entity', info: 'record', price: 'decimal', net: 'ip', at: 'datetime', ttl: 'duration',
  'two words': 'long', '': 'string', if: 'bool', 'ö"': 'string', __tag: 'long',
}
const NAMES = Object.keys(ATTRIBUTES)
const NAMES_OF = {}
for (const name of NAMES) (NAMES_OF[ATTRIBUTES[name]] ??= []).push(name)
const KINDS = ['bool', 'long', 'string', 'entity', 'set:string', 'set:long', 'set:entity', 'record', 'decimal', 'ip', 'datetime', 'duration']
const PLAIN = /^[A-Za-z_][A-Za-z0-9_]*$/
const RESERVED = ['if', 'true', 'false', 'then', 'else', 'in', 'like', 'has', 'is', '__cedar']

export function quote(text) {
  let out = ''
  for (const c of text) {
    const n = c.codePointAt(0)
    if (c === '"' || c === '\\') out += `\\${c}`
    else if (c === '\n') out += '\\n'
    else if (c === '\t') out += '\\t'
    else if (n === 0) out += '\\0'
    else if (n < 32 || n === 127) out += n & 1 && n < 128 ? `\\x${n.toString(16).padStart(2, '0')}` : `\\u{${n.toString(16)}}`
    else out += c
  }
  return `"${out}"`
}
const uidText = ({ type, id }) => `${type}::${quote(id)}`

// Text of a tree.
export const text = tree => typeof tree === 'string' ? tree : tree.parts.map(text).join('')

export function policyText(policy, id = policy.id) {
  const conditions = policy.conditions.map(c => `${c.kind} { ${text(c.expr)} }`)
  return [`@id(${quote(id)})`, `${policy.effect} (${policy.head.join(', ')})`, ...conditions].join('\n') + ';'
}

export class Maker {
  constructor(seed) {
    this.r = random(seed)
  }

  // ---- entities and values

  uid(type) {
    const { r, world } = this
    if (world && r.chance(85)) {
      const known = type ? world.filter(e => e.uid.type === type) : world
      if (known.length) return r.pick(known).uid
    }
    return { type: type ?? r.pick(TYPES), id: r.pick(IDS) }
  }

  // JSON of a value of the kind.
  value(kind, depth = 0) {
    const { r } = this
    if (r.chance(6)) kind = r.pick(KINDS)
    switch (kind) {
      case 'bool': return r.chance(60)
      case 'long': return r.chance(80) ? r.between(-1, 3) : r.pick([7, 100, 9007199254740991, -9007199254740991])
      case 'string': return r.pick(STRINGS)
      case 'entity': return { __entity: this.uid() }
      case 'record': {
        const record = {}
        for (let n = depth > 2 ? 0 : r.below(5); n > 0; n--) {
          const name = r.pick(NAMES)
          record[name] = this.value(ATTRIBUTES[name], depth + 1)
        }
        return record
      }
      default: {
        if (READERS[kind]) return { __extn: { fn: kind, arg: r.pick(READERS[kind][0]) } }
        const of = kind.slice(4)
        return depth > 3 ? [] : Array.from({ length: r.below(5) }, () => this.value(of, depth + 1))
      }
    }
  }

  attributes(few) {
    const { r } = this
    const out = {}
    for (const name of NAMES) if (r.chance(few)) out[name] = this.value(ATTRIBUTES[name])
    return out
  }

  entities() {
    const { r } = this
    const world = []
    this.world = world
    // A forbid that holds hides which permits do.
    this.forbids = r.pick([0, 0, 5, 10, 50])
    for (const type of TYPES) {
      for (const id of IDS) {
        if (r.chance(9)) world.push({ uid: { type, id }, attrs: {}, parents: [] })
      }
    }
    // Parents come later in the list, so there is no cycle; some exist nowhere.
    world.forEach((e, i) => {
      for (let n = r.chance(60) ? r.between(1, 3) : 0; n > 0; n--) {
        const parent = r.chance(90) && i + 1 < world.length ? world[r.between(i + 1, world.length - 1)].uid : { type: 'Group', id: 'nowhere' }
        if (!e.parents.some(p => p.type === parent.type && p.id === parent.id)) e.parents.push(parent)
      }
      e.attrs = this.attributes(r.pick([20, 85, 85]))
      if (r.chance(40)) {
        e.tags = {}
        const kind = r.pick(['string', 'long', 'set:string'])
        for (const name of STRINGS) if (r.chance(40)) e.tags[name] = this.value(kind)
      }
    })
    for (const [type, id] of ACTIONS) {
      if (id === 'all') world.push({ uid: { type, id }, attrs: {}, parents: [] })
      else if (r.chance(70)) world.push({ uid: { type, id }, attrs: {}, parents: type === 'Action' ? [{ type: 'Action', id: 'all' }] : [] })
    }
    return world
  }

  // ---- expressions

  node(type, ...parts) {
    return { type, parts }
  }

  // As an operand: in parentheses, but for some that then bind as they may.
  wrapped(type, depth) {
    const inner = this.expr(type, depth)
    return this.r.chance(4) || inner.atom ? inner : this.node(type, '(', inner, ')')
  }

  atom(type, ...parts) {
    return { type, parts, atom: true }
  }

  literal(type) {
    const { r } = this
    switch (type) {
      case 'bool': return this.atom(type, r.chance(60) ? 'true' : 'false')
      case 'long': {
        const n = r.chance(70) ? String(r.between(-1, 3)) : r.pick(LONGS)
        return n.startsWith('-') ? this.node(type, n) : this.atom(type, n)
      }
      case 'string': return this.atom(type, quote(r.pick(STRINGS)))
      case 'entity': {
        if (r.chance(60)) return this.atom(type, r.pick(['principal', 'action', 'resource', 'principal', 'resource']))
        return this.atom(type, uidText(this.uid()))
      }
      case 'record': return this.atom(type, 'context')
      default: {
        if (READERS[type]) return this.atom(type, `${type}(${quote(r.pick(r.chance(93) ? READERS[type][0] : READERS[type][1]))})`)
        const of = type.slice(4)
        const items = Array.from({ length: r.below(4) }, () => this.literal(of))
        return this.atom(type, '[', ...items.flatMap((e, i) => i ? [', ', e] : [e]), ']')
      }
    }
  }

  access(base, name) {
    const plain = PLAIN.test(name) && !RESERVED.includes(name) && this.r.chance(85)
    return plain ? [base, '.', name] : [base, '[', quote(name), ']']
  }

  // An attribute of that type, of an entity, a record or the context; sometimes asked for first.
  attribute(type, depth) {
    const { r } = this
    const name = r.chance(95) && NAMES_OF[type] ? r.pick(NAMES_OF[type]) : r.pick(NAMES)
    let base
    if (depth <= 0 || r.chance(60)) base = this.atom('entity', r.pick(['principal', 'resource', 'context', 'principal', 'resource', 'action']))
    else base = r.chance(50) ? this.wrapped('entity', depth - 1) : this.wrapped('record', depth - 1)
    const got = this.atom(type, ...this.access(base, name))
    if (r.chance(35)) {
      const test = this.node('bool', base, ' has ', PLAIN.test(name) && !RESERVED.includes(name) && r.chance(70) ? name : quote(name))
      return this.atom(type, '(if ', test, ' then ', got, ' else ', this.literal(type), ')')
    }
    return got
  }

  pattern() {
    const { r } = this
    let out = ''
    for (let n = r.between(0, 4); n > 0; n--) out += r.pick(['*', '*', 'a', 'b', '\\*', 'docs', '-', 'ü', '😀', '\\"', '\\\\', '\\0', '\\u{61}', '**', 'x'])
    return `"${out}"`
  }

  bool(depth) {
    const { r } = this
    const of = kind => this.wrapped(kind, depth - 1)
    // Of equal operands comparisons are told apart.
    const beside = (tree, kind) => r.chance(30) ? tree : of(kind)
    const n = (...parts) => this.node('bool', ...parts)
    const call = (base, method, ...args) => this.atom('bool', base, `.${method}(`, ...args.flatMap((a, i) => i ? [', ', a] : [a]), ')')
    const any = () => r.pick(KINDS)
    const decimals = () => { const a = of('decimal'); return [a, r.chance(30) ? a : this.expr('decimal', depth - 1)] }
    const set = () => r.pick(['set:string', 'set:long', 'set:entity'])
    const type = () => r.chance(90) ? r.pick(TYPES) : r.pick(['Action', 'Nobody', 'Acme::Action'])
    const how = [
      [10, () => n(of('bool'), ' && ', of('bool'), ...(r.chance(20) ? [' && ', of('bool')] : []))],
      [10, () => n(of('bool'), ' || ', of('bool'), ...(r.chance(20) ? [' || ', of('bool')] : []))],
      [5, () => n('!', of('bool'))],
      [1, () => n('!!', of('bool'))],
      [9, () => { const kind = any(); const a = of(kind); return n(a, r.pick([' == ', ' != ']), beside(a, r.chance(90) ? kind : any())) }],
      [12, () => { const a = of('long'); return n(a, r.pick([' < ', ' <= ', ' > ', ' >= ']), beside(a, 'long')) }],
      [5, () => { const kind = r.pick(['datetime', 'duration', 'datetime', 'duration', 'decimal', 'string']); const a = of(kind); return n(a, r.pick([' < ', ' <= ', ' > ', ' >= ']), beside(a, kind)) }],
      [9, () => n(of('entity'), ' in ', of(r.chance(70) ? 'entity' : 'set:entity'))],
      [5, () => n(of('entity'), ' is ', type())],
      [4, () => n(of('entity'), ' is ', type(), ' in ', of(r.chance(80) ? 'entity' : 'set:entity'))],
      [5, () => { const name = r.pick(NAMES); return n(of(r.chance(70) ? 'entity' : 'record'), ' has ', PLAIN.test(name) && name !== 'if' ? name : quote(name)) }],
      [3, () => n(of(r.chance(70) ? 'entity' : 'record'), ' has ', Array.from({ length: r.between(2, 3) }, () => r.pick(['info', 'owner', 'boss', 'level', 'name', 'flag'])).join('.'))],
      [6, () => n(of('string'), ' like ', this.pattern())],
      [5, () => { const kind = set(); return call(of(kind), 'contains', this.expr(kind.slice(4), depth - 1)) }],
      [4, () => { const kind = set(); return call(of(kind), 'containsAll', this.expr(r.chance(90) ? kind : set(), depth - 1)) }],
      [4, () => { const kind = set(); return call(of(kind), 'containsAny', this.expr(r.chance(90) ? kind : set(), depth - 1)) }],
      [3, () => call(of(set()), 'isEmpty')],
      [4, () => call(of('entity'), 'hasTag', this.expr('string', depth - 1))],
      // Of one entity the tag that it has, mostly.
      [4, () => { const e = of('entity'), tag = quote(r.pick(STRINGS)); return n(this.atom('bool', e, '.hasTag(', tag, ')'), ' && ', this.atom('string', e, '.getTag(', tag, ')'), r.pick([' == ', ' != ']), this.literal(r.pick(['string', 'long']))) }],
      [5, () => { const [a, b] = decimals(); return call(a, r.pick(['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual']), b) }],
      [4, () => call(of('ip'), r.pick(['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast']))],
      [4, () => call(of('ip'), 'isInRange', this.expr('ip', depth - 1))],
    ]
    return this.choose(how)()
  }

  choose(how) {
    let at = this.r.below(how.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, make] of how) if ((at -= weight) < 0) return make
    return how[0][1]
  }

  operation(type, depth) {
    const { r } = this
    const of = kind => this.wrapped(kind, depth - 1)
    const call = (base, method, ...args) => this.atom(type, base, `.${method}(`, ...args, ')')
    switch (type) {
      case 'bool': return this.bool(depth)
      case 'long': {
        if (r.chance(18)) return call(of('duration'), r.pick(['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays']))
        if (r.chance(15)) return this.node(type, '-', of('long'))
        return this.node(type, of('long'), r.pick([' + ', ' - ', ' * ']), of('long'), ...(r.chance(20) ? [r.pick([' + ', ' - ', ' * ']), of('long')] : []))
      }
      case 'string': return this.atom(type, of('entity'), '.getTag(', this.expr('string', depth - 1), ')')
      case 'record': {
        const names = NAMES.filter(() => r.chance(12))
        return this.atom(type, '{', ...names.flatMap((name, i) => [i ? ', ' : '', PLAIN.test(name) && name !== 'if' && r.chance(60) ? name : quote(name), ': ', this.expr(ATTRIBUTES[name], depth - 1)]), '}')
      }
      case 'datetime': return r.chance(60) ? call(of('datetime'), 'offset', this.expr('duration', depth - 1)) : call(of('datetime'), 'toDate')
      case 'duration': return r.chance(60) ? call(of('datetime'), 'durationSince', this.expr('datetime', depth - 1)) : call(of('datetime'), 'toTime')
      case 'decimal':
      case 'ip': return r.chance(30) ? this.atom(type, `${type}(`, this.expr('string', depth - 1), ')') : this.literal(type)
      case 'entity': return this.attribute(type, depth)
      default: {
        const of = type.slice(4)
        const items = Array.from({ length: r.below(4) }, () => this.expr(of, depth - 1))
        return this.atom(type, '[', ...items.flatMap((e, i) => i ? [', ', e] : [e]), ']')
      }
    }
  }

  expr(type, depth) {
    const { r } = this
    if (r.chance(2)) type = r.pick(KINDS)
    if (depth <= 0) return r.chance(this.literals) ? this.literal(type) : this.attribute(type, 0)
    const what = r.below(100)
    if (what < 12) return this.literal(type)
    if (what < 35) return this.attribute(type, depth)
    if (what < 40) return this.node(type, 'if ', this.expr('bool', depth - 1), ' then ', this.expr(type, depth - 1), ' else ', this.expr(type, depth - 1))
    return this.operation(type, depth)
  }

  // ---- policies

  scope(name, slot) {
    const { r } = this
    const uid = () => slot ? `?${name}` : uidText(this.uid())
    const type = () => r.pick(TYPES)
    const how = slot ? r.pick(['==', 'in', 'is in']) : r.pick(['', '', '', '', '', '', '', '', '==', 'in', 'in', 'is', 'is in'])
    switch (how) {
      case '==': return `${name} == ${uid()}`
      case 'in': return `${name} in ${uid()}`
      case 'is': return `${name} is ${type()}`
      case 'is in': return `${name} is ${type()} in ${uid()}`
      default: return name
    }
  }

  action() {
    const { r } = this
    const one = () => { const [type, id] = r.pick(ACTIONS); return uidText({ type, id }) }
    switch (r.below(8)) {
      case 0: return `action == ${one()}`
      case 1: return `action in ${one()}`
      case 2: return `action in [${Array.from({ length: r.below(4) }, one).join(', ')}]`
      default: return 'action'
    }
  }

  policy(id) {
    const { r } = this
    // What compares constants seldom fails on the way; what reads attributes is what conditions are for.
    this.literals = r.pick([30, 50, 90])
    const slots = r.chance(15) ? { principal: r.chance(60), resource: r.chance(60) } : {}
    const conditions = Array.from({ length: r.pick([0, 1, 1, 1, 1, 1, 1, 1, 1, 2]) }, () => ({ kind: r.chance(75) ? 'when' : 'unless', expr: this.bool(r.pick([1, 1, 2, 2, 3, 4])) }))
    return {
      id,
      effect: r.chance(this.forbids) ? 'forbid' : 'permit',
      head: [this.scope('principal', slots.principal), this.action(), this.scope('resource', slots.resource)],
      slots: ['principal', 'resource'].filter(s => slots[s]),
      conditions,
    }
  }

  link(template, id) {
    return { template: template.id, id, values: Object.fromEntries(template.slots.map(s => [s, this.uid()])) }
  }

  request() {
    const { r } = this
    const [type, id] = r.pick(ACTIONS)
    return { principal: this.uid(r.chance(60) ? 'User' : undefined), action: { type, id }, resource: this.uid(r.chance(60) ? 'Doc' : undefined), context: this.attributes(r.pick([0, 80, 95])) }
  }

  // A text that is a policy no more, or maybe still: for the parsers.
  spoilt(source) {
    const { r } = this
    const tokens = source.match(/"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*|\d+|::|[<>=!]=|&&|\|\||\s+|./gsu) ?? []
    for (let n = r.between(1, 2); n > 0; n--) {
      const at = r.below(tokens.length)
      switch (r.below(5)) {
        case 0: tokens.splice(at, 1); break
        case 1: tokens.splice(at, 0, tokens[at]); break
        case 2: tokens[at] = r.pick(tokens); break
        case 3: tokens.splice(at, 0, r.pick(tokens)); break
        default: tokens[at] = r.pick(['in', 'is', 'has', 'like', 'if', '-', '!', '(', ')', '.', ',', '?principal', '9223372036854775808', '==', '<', '%', '/', '// x\n', "'", '"\\q"', '"*"', '_', '__cedar', 'ip', 'contains', 'true', 'Ünï', '::', '@x', 'when', '[', ']', '{', '}', '"\\u{d800}"', '"\\x80"', '"\\u{1234567}"', '0x1', '1.0', '&', '='])
      }
    }
    return tokens.join('')
  }
}
