// SPDX-License-Identifier: GPL-3.0-or-later
// Schemas for people made by chance, and policies about them. Unlike the worlds of cedar_typed.mjs these go to where names are: the same one for an entity type, a
// common type and a built-in one, in several namespaces; groups of actions across them; common types of common types; annotations; words that are reserved
// somewhere. Most are schemas, most policies are invalid under theirs.
import { random } from './cedar_make.mjs'

const BUILT_IN = ['Long', 'Bool', 'String', 'ipaddr', 'decimal', 'datetime', 'duration', '__cedar::Long', '__cedar::String', '__cedar::Bool', '__cedar::ipaddr', 'Boolean', '__cedar::decimal']
const ODD = ['Set', 'Record', 'Entity', 'Extension', 'Action', 'N::Action', '__cedar::Action', '__cedar', '__cedar::A', 'principal', 'type', 'entity', 'namespace', 'action', 'in', 'is', 'if', 'context', 'tags', 'enum', 'appliesTo', 'like', 'has', 'true', 'then', 'attributes', 'Nobody', '__cedar::Boolean']
const ENTITIES = ['A', 'B', 'A', 'B', 'T', 'C', 'Long', 'ipaddr', 'Boolean', 'datetime', 'String', 'Bool', 'E', 'Set', 'Record', 'Extension', 'type', 'action', 'tags', 'context', 'principal', 'entity', 'namespace', 'enum', 'appliesTo']
const ACTIONS = ['x', 'y', 'x y', 'z', 'in', '', 'appliesTo', 'é', 'a"b', 'A::"x"']
const ATTRIBUTES = ['a', 'b', '"c d"', '"if"'], ODD_ATTRIBUTES = ['""', '"principal"', 'type', 'Long', '"\\u{e9}"', 'context', 'tags', 'if', 'in', '__cedar']
const within = (space, name) => space ? `${space}::${name}` : name

export class SchemaMaker {
  constructor(seed) {
    this.r = random(seed)
    this.spaces = new Map()
    this.types = [] // those that may be used already
    this.actions = []
    for (const name of new Set(['', ...this.some(2, () => this.r.pick(['N', 'M', 'N::M', 'N', 'A'])), ''])) this.spaces.set(name, this.space(name))
  }

  some(most, make) { return Array.from({ length: this.r.below(most + 1) }, make) }
  fault(perMille) { return this.r.below(1000) < perMille }

  // ---- which names there are

  space(name) {
    const { r } = this
    const entities = Array.from({ length: r.between(1, 4) }, () => name && !this.fault(30) ? r.pick(['D', 'F', 'G', 'H']) + name.length : ENTITIES[r.below(r.chance(97) ? 6 : ENTITIES.length)])
    const types = this.some(2, () => r.chance(96) ? r.pick(name ? [`X${name.length}`, `Y${name.length}`] : ['T', 'U', 'V']) : r.pick(ENTITIES)).filter(t => !entities.includes(t) || this.fault(10))
    const actions = Array.from({ length: r.between(name ? 0 : 1, 3) }, () => (name && !this.fault(30) ? name : '') + ACTIONS[r.below(r.chance(85) ? 4 : ACTIONS.length)])
    return { entities: new Set(entities), types: new Set(types), actions: new Set(actions) }
  }

  entity() {
    if (this.fault(2)) return this.r.pick([...BUILT_IN, ...ODD])
    return this.r.pick([...this.spaces].flatMap(([space, { entities }]) => [...entities].flatMap(e => space === this.here ? [e, within(space, e)] : [within(space, e)])))
  }
  entities() { return this.r.chance(40) ? this.entity() : `[${[...(this.fault(10) ? [] : [this.entity()]), ...this.some(2, () => this.entity())].join(', ')}]` }

  // ---- declarations

  named() {
    const { r } = this
    const x = r.below(10)
    return this.fault(2) ? r.pick(ODD) : x < 4 ? r.pick(BUILT_IN) : x < 7 && this.types.length ? r.pick(this.types) : this.entity()
  }
  type(depth = 2) {
    const x = this.r.below(depth > 0 ? 10 : 6)
    return x < 6 ? this.named() : x < 8 ? `Set<${this.type(depth - 1)}>` : this.record(depth - 1)
  }
  record(depth) {
    const { r } = this
    const names = this.some(4, () => r.pick(this.fault(30) ? ODD_ATTRIBUTES : ATTRIBUTES))
    const list = this.fault(3) ? names : names.filter((n, i) => names.indexOf(n) === i)
    return `{${list.map(n => `${r.chance(5) ? '@x("y") ' : ''}${n}${r.chance(30) ? '?' : ''}: ${this.type(depth)}`).join(', ')}}`
  }

  entityText(name) {
    const { r } = this
    if (r.chance(12)) return `entity ${name} enum [${['"a"', ...this.some(2, () => r.pick(['"b"', '""', '"zz"', '"c\\u{61}"', '"é"']))].slice(this.fault(50) ? 1 : 0).join(', ')}];`
    const parents = r.chance(40) ? ` in ${this.entities()}` : '', shape = r.chance(70) ? ` ${r.chance(50) ? '= ' : ''}${this.record(2)}` : '', tags = r.chance(25) ? ` tags ${this.type()}` : ''
    return `entity ${name}${parents}${shape}${tags};`
  }
  typeText(name) {
    const out = `type ${name} = ${this.type()};`
    this.types.push(name, within(this.here, name))
    return out
  }
  group() {
    const { r } = this
    const { space, name } = r.pick(this.actions)
    return space === this.here && r.chance(60) ? this.actionName(name) : `${within(space, 'Action')}::${JSON.stringify(name)}`
  }
  actionName(name) { return /^[a-z]\w*$/.test(name) && name !== 'in' && this.r.chance(80) ? name : JSON.stringify(name) }
  actionText(name) {
    const { r } = this
    const groups = this.actions.length && r.chance(40) ? this.some(2, () => this.group()) : []
    const applies = [`principal: ${this.entities()}`, `resource: ${this.entities()}`, ...(r.chance(60) ? [`context: ${r.chance(85) || !this.types.length ? this.record(2) : r.pick(this.types)}`] : [])]
    if (r.chance(30)) applies.reverse()
    this.actions.push({ space: this.here, name })
    return `action ${this.actionName(name)}${groups.length ? ` in ${groups.length === 1 && r.chance(50) ? groups[0] : `[${groups.join(', ')}]`}` : ''}${r.chance(85) ? ` appliesTo {${applies.join(', ')}}` : ''};`
  }

  text() {
    const { r } = this
    return [...this.spaces].map(([space, names]) => {
      this.here = space
      const list = [...[...names.entities].map(e => this.entityText(e)), ...[...names.types].map(t => this.typeText(t)), ...[...names.actions].map(a => this.actionText(a))]
      if (this.fault(10)) list.push(r.pick(list))
      const body = list.map(s => (r.chance(6) ? r.pick(['@doc("d") ', '@doc @if("a")\n', '@a("\\n")']) : '') + s).sort(() => r.between(-1, 1)).join('\n')
      return space ? `namespace ${space} {\n${body}\n}` : body
    }).join('\n')
  }

  // ---- policies

  anyEntity() { return this.r.pick([...this.spaces].flatMap(([space, { entities }]) => [...entities].map(e => within(space, e)))) }
  anyAction() {
    if (this.fault(20) || !this.actions.length) return 'Action::"nope"'
    const { space, name } = this.r.pick(this.actions)
    return `${within(space, 'Action')}::${JSON.stringify(name)}`
  }
  base() { return this.r.pick(['principal', 'resource', 'context', 'action', `${this.anyEntity()}::"a"`, this.anyAction()]) }
  path() { return this.base() + this.some(2, () => this.r.pick(['.a', '.b', '["c d"]', '.a', '.getTag("a")', '["if"]'])).join('') }

  condition() {
    const { r } = this
    const p = () => this.path(), g = p(), h = r.pick(['a', 'b', 'a.b', 'a.a'])
    const value = () => r.pick(['1', '"a"', 'true', 'ip("1.2.3.4")', 'decimal("1.0")', `${this.anyEntity()}::"a"`, '[]', '{}', '{a:1}', 'datetime("2024-01-01")'])
    return r.pick([
      () => `${p()} == ${p()}`, () => `${p()} == ${value()}`, () => `${p()} < ${r.pick(['1', 'datetime("2024-01-01")', 'duration("1d")'])}`, () => p(),
      () => `${g} has ${h} && ${g}.${h} == ${g}.${h}`, () => `${p()} in ${p()}`, () => `${p()} is ${this.anyEntity()}`, () => `${p()} in [${p()}, ${p()}]`, () => `${p()} like "a"`,
      () => `action in ${r.pick([this.anyAction(), `[${this.anyAction()}, ${this.anyAction()}]`])}`, () => `[${p()}, ${p()}].contains(${p()})`, () => `${p()}.contains(${p()})`,
      () => `${g}.hasTag("a") && ${g}.getTag("a") == ${p()}`, () => `(if ${p()} has ${h} then ${p()} else ${p()}) == ${p()}`, () => `{a: ${p()}} == {a: ${p()}}`,
      () => `${g} has a && ${g}.a == 1 || ${p()} has b`, () => `!(${g} has ${h}) || ${g}.a == ${g}.a`, () => `(${g} has a || ${g} has a) && ${g}.a == ${g}.a`,
      () => `(${g} has a && true) && ${g}.a == ${g}.a`, () => `(if ${g} has a then true else false) && ${g}.a == ${g}.a`, () => `(if ${g} has a then ${g} has b else false) && ${g}.b == ${g}.b && ${g}.a == ${g}.a`,
      () => `${g} is ${this.anyEntity()} && ${g} has a && ${g}.a == ${g}.a`, () => `(${g} is ${this.anyEntity()} || ${g} is ${this.anyEntity()}) && ${g}.a == 1`, () => `[${g}, ${p()}].isEmpty()`,
      () => `[] == ${p()}`, () => `${p()}.containsAll([])`, () => `[[],[${p()}]].isEmpty()`, () => `(${g} has a) == true && ${g}.a == 1`, () => `${g} has a && {x: ${g}.a}.x == ${g}.a`,
      () => `{x: ${g}} has x.a && {x: ${g}}.x.a == ${g}.a`, () => `(if ${p()} == ${p()} then ${p()} else ${p()}).a == 1`, () => `false && ${p()}.nope`, () => `(true || ${p()}.nope) && ${p()} == 1`,
      () => `principal == resource && ${p()}.a == 1`, () => `principal in ${this.anyEntity()}::"zz" && ${p()} has a`, () => `resource in [] || ${p()} == 1`, () => `action == ${this.anyAction()} && context.a == context.a`,
    ])()
  }

  policy() {
    const { r } = this
    const scope = v => r.pick([v, v, v, `${v} is ${this.anyEntity()}`, `${v} == ${this.anyEntity()}::"a"`, `${v} in ${this.anyEntity()}::"a"`, `${v} is ${this.anyEntity()} in ${this.anyEntity()}::"a"`])
    const action = r.pick(['action', 'action', 'action in []', ...['==', '==', '==', 'in'].map(op => `action ${op} ${this.anyAction()}`), `action in [${this.anyAction()}, ${this.anyAction()}]`])
    return `permit(${scope('principal')}, ${action}, ${scope('resource')}) when { ${this.condition()} };`
  }
}
