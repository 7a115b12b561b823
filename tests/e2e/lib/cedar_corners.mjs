// SPDX-License-Identifier: GPL-3.0-or-later
// Conditions at the corners of the language, made by chance: texts that are nearly addresses, decimals, datetimes and durations, and what is done
// with them near their limits; escapes in strings, patterns and names; numbers, names and operators in places that do not suit them; sets and records of mixed
// values under every operator. Most are errors, some do not parse. Each method makes a list of conditions.
import { random, quote } from './cedar_make.mjs'

const TEXTS = {
  ip: ['1.2.3.4', '10.0.0.0/8', '255.255.255.255/32', '0.0.0.0/0', '127.255.255.255/8', '224.0.0.0/4', '239.255.255.255', '::', '::1', '::1/128', '::1/127', 'ff00::/8', 'ff00::/7', 'fe80::1', '1:2:3:4:5:6:7:8', '::ffff:7f00:1', '::ffff:0:0/96', '1::8/64', '1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8', '0:0:0:0:0:0:0:1', '0000::0001', 'ABCD:ef01::', '1.2.3.4/0', '127.0.0.0/7', '::/0', '223.255.255.255/3', '::1.2.3.4', '::ffff:1.2.3.4', '1:2:3:4:5:6:1.2.3.4'],
  decimal: ['0.0', '1.0', '-1.5', '922337203685477.5807', '-922337203685477.5808', '922337203685477.5808', '-0.0000', '00000000000000000001.0', '1.00000', '0.1', '12.', '-.5', '+1.0', '999999999999999999.0', '-922337203685477.5809', '922337203685478.0'],
  datetime: ['2024-01-01', '0000-01-01', '9999-12-31', '2024-02-29', '2023-02-29', '2024-10-15T11:35:00Z', '2024-10-15T11:35:00.000Z', '2024-10-15T11:35:00+0100', '2024-10-15T11:35:00.999-2359', '2016-12-31T23:59:60Z', '2016-12-31T23:59:59.999+2359', '0000-01-01T00:00:00+2359', '9999-12-31T23:59:59.999-2359', '2024-10-15T11:35:00-0000', '2024-10-15T11:35:00+0060', '2024-10-15T11:35:00+2400', '2000-02-29T00:00:00.001+0001'],
  duration: ['1d', '1h', '2h30m', '-1d12h', '1d2h3m4s5ms', '0ms', '9223372036854775807ms', '-9223372036854775808ms', '106751991167d7h12m55s807ms', '106751991167d7h12m55s808ms', '-106751991167d7h12m55s808ms', '-106751991167d7h12m55s809ms', '106751991167d', '153722867280912930m', '9223372036854775s', '9223372036854776s', '2562047788015h', '007s', '-0d', '1ms', '1m', '1s', '1m1ms', '1d1ms', '00000000000000000000000001d', '99999999999999999999d'],
}
const LETTERS = {
  ip: [...'0123456789abcfABCF:./g %+-'], decimal: [...'0123456789.-+ e٣'], datetime: [...'0123456789-:TZ.+ tz'], duration: [...'0123456789dhms-+. ', 'ms'],
}
const PIECES = ['a', 'b', '*', '\\*', '\\n', '\\r', '\\t', '\\0', "\\'", '\\"', '\\\\', '\\x41', '\\x7f', '\\x80', '\\xff', '\\x4', '\\u{61}', '\\u{1F600}', '\\u{d800}', '\\u{110000}', '\\u{0000000041}', '\\u{}', '\\u{10ffff}', '\\u{000041}', '\\u0041', '\\a', '\\/', '\\b', 'é', 'e\u0301', '😀', '\u0000', '\u0001', '\n', '\t', '\u2028', '\ufeff', 'ﬁ', 'İ', '\\u{4_1}', '\\u{_41}', '\\u{41_}', '\\U{41}', '\\x 1', '\\X41', 'ß', '"']
const NAMES = ['principal', 'U', 'A::B', '__cedar', '__cedar::U', 'if', 'in', 'is', 'like', 'has', 'true', 'a-b', 'é', '_', '__', '_1', '1a', 'Action', 'permit', 'forbid', 'when', 'unless', 'then', 'else', 'ip', 'decimal', 'Set', 'A::if', 'A::true', 'A::in', 'if::A', 'in::A', 'Bool', 'Long', 'like::A', 'A::like', 'is::A', 'A::is', 'A::has', 'A::__cedar', 'A::then', 'A::else', 'A :: B', 'A::B::C', 'context', 'resource', 'action', 'context::A', 'A::principal', 'A::permit', 'A::// c\nB', 'A:: \n B']
const NUMBERS = ['0', '00', '007', '1_000', '0x1', '1.0', '9223372036854775807', '9223372036854775808', '-9223372036854775808', '- 9223372036854775808', '-(9223372036854775808)', '--9223372036854775808', '-9223372036854775807', '!-1', '-!1', '---1', '----1', '-----1', '18446744073709551616', '99999999999999999999999', '-0', '+1']
const VALUES = ['1', '"1"', 'true', 'U::"a"', '{}', '[]', '{a:1}', '[1]', '["1"]', 'ip("1.2.3.4")', 'ip("1.2.3.4/32")', 'decimal("1.0")', 'decimal("1.00")', 'datetime("1970-01-01")', 'duration("0ms")', 'duration("0d")', 'datetime("1970-01-01T00:00:00Z")', '0', '{a:{b:[]}}', '[[1],[1]]', 'principal', 'resource', 'context', '{"":1}', '[1,"1",true]', 'ip("::")', 'ip("::/128")', 'U::"b"', '{a:1,b:[1,2]}', '{b:[2,1,1],a:1}']

export class Corners {
  constructor(seed) {
    this.r = random(seed)
  }

  all() {
    return [...Object.keys(TEXTS).flatMap(k => this.extension(k)), ...this.strings(), ...this.syntax(), ...this.values()]
  }

  // A letter more, less or other, or a piece twice, up to three times.
  spoilt(text, letters) {
    const { r } = this
    const s = [...text]
    for (let n = r.below(4); n > 0; n--) {
      const i = r.below(s.length + 1), j = r.below(s.length + 1)
      switch (r.below(4)) {
        case 0: s.splice(i, 1); break
        case 1: s.splice(i, 0, r.pick(letters)); break
        case 2: if (s.length) s[Math.min(i, s.length - 1)] = r.pick(letters); break
        default: s.splice(i, 0, ...s.slice(j, j + r.below(4)))
      }
    }
    return s.join('')
  }

  extension(kind) {
    const { r } = this
    const out = [], call = text => `${kind}(${quote(text)})`
    for (let n = 0; n < 8; n++) {
      const a = call(r.chance(30) ? r.pick(TEXTS[kind]) : this.spoilt(r.pick(TEXTS[kind]), LETTERS[kind])), b = call(r.pick(TEXTS[kind]))
      const span = `duration(${quote(r.pick(TEXTS.duration))})`, moved = `${a}.offset(${span})`
      out.push(`${a} == ${a}`, `${a} == ${b}`, ...{
        ip: [`${a}.isLoopback()`, `${a}.isMulticast()`, `${a}.isIpv4()`, `${a}.isIpv6()`, `${a}.isInRange(${b})`, `${b}.isInRange(${a})`],
        decimal: [`${a}.lessThan(${b})`, `${a}.lessThanOrEqual(${b})`, `${b}.greaterThan(${a})`, `${b}.greaterThanOrEqual(${a})`],
        datetime: [
          `${a} < ${b}`, `${a}.toDate() == ${b}.toDate()`, `${a}.toTime() < duration("12h")`, `${a}.toTime() == ${a}.durationSince(${a}.toDate())`,
          `${moved} < ${b}`, `${moved}.toDate() <= ${moved}`, `${moved}.toTime() == ${b}.toTime()`, `${moved}.durationSince(${b}) > ${span}`,
          `${moved}.offset(${span}) > ${a}`, `${moved}.toDate().toTime() == duration("0ms")`, `${moved}.toTime() < duration("1d")`, `${moved}.toTime() >= duration("0d")`,
        ],
        duration: ['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays'].flatMap(m => [`${a}.${m}() == ${b}.${m}()`, `${a}.${m}() < 0`, `${a}.${m}() * 1000 > ${b}.${m}()`]),
      }[kind])
    }
    return out
  }

  string(most = 4) {
    return `"${Array.from({ length: this.r.below(most + 1) }, () => this.r.pick(PIECES)).join('')}"`
  }

  strings() {
    return Array.from({ length: 8 }, () => {
      const a = this.string(), b = this.string()
      return [
        `${a} == ${b}`, `${a} like ${b}`, `${b} like ${b}`, `${a} like "${b.slice(1, -1)}*"`, `${a} like "*${b.slice(1, -1)}"`, `{${a}: 1} has ${a}`, `{${a}: 1, ${b}: 2}[${b}] == 2`,
        `U::${a} == U::${b}`, `principal has ${a}`, `context[${a}] == 5`, `[${a},${b}].contains(${this.string(2)})`,
      ]
    }).flat()
  }

  syntax() {
    const { r } = this
    const number = () => r.pick(NUMBERS), name = () => r.pick(NAMES)
    return Array.from({ length: 8 }, () => [
      `${number()} == ${number()}`, `${number()} - ${number()} < ${number()}`, `${name()}::"a" == U::"a"`, `principal is ${name()}`, `principal is ${name()} in ${name()}::"a"`,
      `{${name()}: 1} has ${name()}`, `{${name()}: 1}.${name()} == 1`, `principal.${name()} == 1`, `principal has ${name()}.${name()}`,
      `{a:{b:{c:1}}} has a.${r.pick(['b', 'b.c', '"b"', 'c', 'b["c"]'])}`,
      `${r.pick(['!', '!!', '!!!', '!!!!', '!!!!!', '-', '--', '----', '-----', '!-', '(!', '(-'])}${r.pick(['true', '1', 'principal', '(true)', '(1)'])} == ${r.pick(['true', '1', 'false'])}`,
      `1 ${r.pick(['<', '<=', '==', '!=', '>', '>=', '+', '-', '*', '/', '%', '=', 'in', '&&', '||', '&', '|', 'has', 'like', 'is'])} 2 ${r.pick(['<', '==', '+', '-', '*', '&&', '||', ')', 'in'])} 3 == 3`,
      `${r.pick(['foo', 'ip', 'decimal', 'U::ip', 'principal', 'contains', 'getTag', 'isEmpty', 'datetime', 'permit', 'if'])}(${r.pick(['"1.2.3.4"', '', '1', '"1.0","2"', '"1.0",', 'principal'])}) == 1`,
      `[1,2].${r.pick(['contains', 'containsAll', 'containsAny', 'isEmpty', 'foo', 'isIpv4', 'lessThan', 'ip', 'contains ', 'length'])}(${r.pick(['', '1', '[1]', '1,2', '[1],', '1,'])})`,
      `"a".${r.pick(['contains', 'like', 'foo', 'getTag', 'toTime'])}(${r.pick(['', '1', '"a"'])})`,
      `${r.pick(['[1,]', '[,]', '[]', '{}', '{a:1,}', '{,}', '{a:1,a:2}', '{"a":1,a:1}', '{1:1}', '{if:1}', '{"if":1}', '[1 2]'])} == ${r.pick(['[1]', '[]', '{}', '{a:1}'])}`,
      `if ${r.pick(['true', '1', 'principal'])} then ${r.pick(['1', 'true'])} ${r.pick(['else 2', '', 'else'])} == 1`, `${r.pick(['true', 'false', '1'])} ${r.pick(['&&', '||'])} ${r.pick(['1', 'true'])}`,
    ]).flat()
  }

  values() {
    const { r } = this
    const v = () => r.pick(VALUES), set = () => `[${Array.from({ length: r.below(5) }, v).join(',')}]`
    return Array.from({ length: 20 }, () => {
      const a = set(), b = set()
      return [
        `${a} == ${b}`, `${a}.contains(${v()})`, `${a}.containsAll(${b})`, `${a}.containsAny(${b})`, `${v()} == ${v()}`, `${v()} < ${v()}`, `${v()} in ${r.pick([v(), set()])}`, `${a}.isEmpty()`,
        `[${a},${b}] == [${b},${a}]`, `${v()} like "1"`, `${v()} has a`, `${v()} has ${r.pick(['a.b', 'a.b.c', '""', 'n'])}`, `${v()} is U`, `${v()}.a == 1`, `${v()}.hasTag(${v()})`, `${v()}.getTag(${v()}) == 1`,
        `-${v()} == 1`, `!${v()}`, `${v()} + ${v()} == 1`, `${v()}.isInRange(${v()})`, `${v()}.lessThan(${v()})`, `${v()}.offset(${v()}) == ${v()}`, `${v()}.durationSince(${v()}) == ${v()}`,
        `${v()}.toDate() == ${v()}`, `${r.pick(Object.keys(TEXTS))}(${v()}) == ${v()}`, `${v()} ${r.pick(['&&', '||'])} ${v()}`,
      ]
    }).flat()
  }
}
