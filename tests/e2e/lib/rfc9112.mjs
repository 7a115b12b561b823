// SPDX-License-Identifier: GPL-3.0-or-later
// What RFC 9112 says of bytes, read by somebody who has not seen the gateway's parser: the whole input in hand, one rule after the other, each
// with its name. Where the RFC leaves a choice (MAY, SHOULD), the choice is the gateway's documented one, and `strict` in the rule's name.
//
//   requests(bytes) → { messages, end, rule, rest }
// end: 'clean' (nothing left), 'closed' (the last message says so; `rest` is not to be read), 'cut' (a message is under way),
// 'refused' (by `rule`; `rest` begins with what was refused).

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']
const MOST = 64 << 20

class Refused extends Error {}
class Cut extends Error {}
const must = (held, rule) => { if (!held) throw new Refused(rule) }

// The lines of a head from `at`, without their CRLF, and where it ends. A head whose end has not come is cut; what would be wrong in it may
// be told earlier or later.
function lines(text, at, rule) {
  const blank = text.indexOf('\r\n\r\n', at)
  const end = blank < 0 ? text.length : blank
  const head = text.slice(at, end)
  const stray = head.replace(/\r\n/g, '')
  if (/[\r\n\0]/.test(blank < 0 ? stray.replace(/\r$/, '') : stray)) throw new Refused('§2.2 a bare CR, a bare LF or a NUL')
  if (blank < 0) {
    if (rule && head.includes('\r\n')) rule(head.slice(0, head.indexOf('\r\n')))
    throw new Cut()
  }
  return { lines: head.split('\r\n'), end: blank + 4 }
}

function fieldsOf(list) {
  return list.map(line => {
    must(!/^[ \t]/.test(line), '§5.2 a folded line')
    const colon = line.indexOf(':')
    must(colon > 0, '§5 a line without a name')
    const name = line.slice(0, colon)
    must(TOKEN.test(name), '§5.1 a name that is no token, or a space before the colon')
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
    must(/^[\t\x20-\x7e\x80-\xff]*$/.test(value), 'RFC 9110 §5.5 a control character in a value')
    return [name.toLowerCase(), value]
  })
}

const all = (fields, name) => fields.filter(([n]) => n === name).map(([, v]) => v)

// §6.3, without what a careful recipient may refuse. 'none', 'chunked', or a length.
function framing(fields, minor) {
  const lengths = all(fields, 'content-length')
  const codings = all(fields, 'transfer-encoding')
  must(!(lengths.length && codings.length), '§6.3 (3) Transfer-Encoding with Content-Length')
  must(lengths.length < 2, '§6.3 (5), strict: more than one Content-Length')
  must(codings.length < 2, '§6.1, strict: more than one Transfer-Encoding')
  must(!fields.some(([n]) => !['content-length', 'transfer-encoding'].includes(n) && ['contentlength', 'transferencoding'].includes(n.replace(/[^a-z0-9]/g, ''))),
    'strict: a name that some server folds onto a framing field')
  must(all(fields, 'content-type').length < 2, 'RFC 9110 §5.3, strict: more than one Content-Type')
  if (codings.length) {
    must(minor > 0, '§6.1 Transfer-Encoding in HTTP/1.0')
    must(codings[0].toLowerCase() === 'chunked', '§6.1, strict: a coding other than chunked alone')
    return 'chunked'
  }
  if (!lengths.length) return 'none'
  must(/^[0-9]+$/.test(lengths[0]), '§6.3 (5) an invalid Content-Length')
  must(/^(0|[1-9].*)$/.test(lengths[0]), '§6.3 (5), strict: a Content-Length with leading zeros')
  must(BigInt(lengths[0]) < 1n << 64n, '§6.3 (5) a Content-Length that overflows')
  return Number(lengths[0])
}

// RFC 9110 §7.6.1. Fields that say who somebody is, or where a request belongs, are not hop-by-hop, whoever says so.
const HOP = ['close', 'keep-alive', 'upgrade', 'te', 'trailer', 'transfer-encoding', 'proxy-connection', 'connection']
const KNOWN = ['authorization', 'dpop', 'host', 'content-length', 'content-type', 'cookie', 'api-key', 'content-encoding', 'expect']
function connection(fields) {
  const options = all(fields, 'connection').flatMap(v => v.split(',')).map(o => o.trim().toLowerCase()).filter(Boolean)
  for (const o of options) {
    must(TOKEN.test(o), 'RFC 9110 §7.6.1 a Connection option that is no token')
    must(HOP.includes(o) || !KNOWN.includes(o), 'strict: Connection names a field that is not hop-by-hop')
  }
  must(options.length <= 16, 'strict: more than 16 Connection options')
  return { close: options.includes('close'), upgrade: options.includes('upgrade') || all(fields, 'upgrade').length > 0 }
}

// §7.1. Extensions have a name, and a value behind "=": a token or a quoted string.
const EXTENSION = /^(;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(=([!#$%&'*+\-.^_`|~0-9A-Za-z]+|"([\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)*$/
function chunks(text, at) {
  let body = ''
  for (;;) {
    const eol = text.indexOf('\r\n', at)
    const line = eol < 0 ? text.slice(at) : text.slice(at, eol)
    const size = line.match(/^[0-9A-Fa-f]*/)[0]
    if (eol < 0 && (line === size || line === `${size}\r`) && BigInt(`0x${size || 0}`) < 1n << 64n && (size || line === '')) throw new Cut()
    must(size !== '' && BigInt(`0x${size}`) < 1n << 64n, '§7.1 a chunk size that is none')
    if (eol < 0 && /^;[^\r\n\0]*\r?$/.test(line.slice(size.length))) throw new Cut()
    must(EXTENSION.test(line.slice(size.length)), '§7.1.1 what follows a chunk size is no extension')
    at = eol + 2
    const n = Number(BigInt(`0x${size}`))
    if (n === 0) break
    must(body.length + n <= MOST, 'RFC 9110 §15.5.14 a body over the bound')
    body += text.slice(at, at + n)
    if (text.length < at + n) throw new Cut()
    at += n
    if (text.length < at + 2 && '\r\n'.startsWith(text.slice(at))) throw new Cut()
    must(text.startsWith('\r\n', at), '§7.1 no CRLF behind a chunk')
    at += 2
  }
  if (text.startsWith('\r\n', at)) return { body, end: at + 2 }
  const trailers = lines(text, at)
  must(!fieldsOf(trailers.lines).some(([n]) => ['content-length', 'transfer-encoding'].includes(n)), 'RFC 9110 §6.5.1 a trailer that frames')
  return { body, end: trailers.end }
}

function bodyOf(text, at, kind) {
  if (kind === 'none') return { body: '', end: at }
  if (kind === 'chunked') return chunks(text, at)
  must(kind <= MOST, 'RFC 9110 §15.5.14 a body over the bound')
  if (text.length < at + kind) throw new Cut()
  return { body: text.slice(at, at + kind), end: at + kind }
}

const utf8 = bytes => { try { new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(bytes, 'latin1')); return true } catch { return false } }
const decoded = text => text.replace(/%([0-9A-Fa-f]{2})/g, (_, h) => String.fromCharCode(parseInt(h, 16)))

// §3.2 and RFC 3986 §3.3, with the paths that have two meanings refused. `ours`: the authorities served. Returns whether it is one of
// them; what is somebody else's is answered 421 (RFC 9110 §15.5.20) and need not be read further.
function isOurs(text, method, host, ours) {
  must(!text.includes('#'), '§3.2 a fragment')
  must(/^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?$/i.test(host), '§3.2 an invalid Host')
  let rest = text
  let authority = host
  const absolute = text.match(/^([a-z]+):\/\/([^/?]*)/i)
  if (absolute) {
    must(!/@.*@/.test(absolute[2]), 'RFC 3986 §3.2 no authority')
    if (absolute[1].toLowerCase() !== 'https') return false
    authority = absolute[2]
    rest = text.slice(absolute[0].length) || '/'
  }
  if (!ours.includes(authority.toLowerCase())) return false
  if (method === 'OPTIONS' && text === '*') return true
  must(rest.startsWith('/'), '§3.2 a target of no form')
  const [path, ...more] = rest.split('?')
  const query = more.join('?')
  must(/^([A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/.test(path), 'RFC 3986 §3.3 a path with other characters')
  must(/^([A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*$/.test(query), 'RFC 3986 §3.4 a query with other characters')
  must(!/%(2f|5c|0.|1.|7f)/i.test(path), 'strict: an encoded slash, backslash or control character')
  const segments = path.split('/').slice(1).map(decoded)
  must(segments.every((s, i) => s !== '' || i === segments.length - 1), 'strict: an empty segment')
  must(!segments.some(s => ['.', '..'].includes(s.split(';')[0])), 'strict: a dot segment')
  must(utf8(decoded(path)), 'RFC 3629 §3 not UTF-8')
  return true
}

function requestLine(line) {
  const parts = line.split(' ')
  must(TOKEN.test(parts[0]), '§3 no method')
  must(parts.length === 3 && parts[1] !== '', '§3 not a request line')
  must(/^[\x21-\x7e]*$/.test(parts[1]), '§3.2 white space, a control character or a byte beyond ASCII in the target')
  must(/^HTTP\/[0-9]\.[0-9]$/.test(parts[2]), '§2.3 no version')
  must(/^HTTP\/1\.[01]$/.test(parts[2]), '§2.3 another version')
  must(parts[0] !== 'CONNECT', 'RFC 9110 §9.3.6 a tunnel')
  must(METHODS.includes(parts[0]), 'RFC 9110 §9.1 an unknown method')
  return { method: parts[0], target: parts[1], minor: Number(parts[2][7]) }
}

// One request from `start`. { …, start, end } or throws; undefined when there is none. Without `ours` neither Host nor target are looked at.
function request(text, start, ours) {
  let at = start
  if (text.startsWith('\r\n', at)) at += 2 // §2.2: at least one empty line; strict: at most one
  if (at === text.length || text.slice(at) === '\r') return undefined
  must(/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(text[at]), '§2.2 something other than a request line')
  const head = lines(text, at, requestLine)
  const first = requestLine(head.lines[0])
  const fields = fieldsOf(head.lines.slice(1))
  const kind = framing(fields, first.minor)
  const options = connection(fields)
  must(!options.upgrade, 'RFC 9110 §7.8, strict: an upgrade')
  const expect = all(fields, 'expect')
  must(expect.length === 0 || (expect.length === 1 && expect[0].toLowerCase() === '100-continue'), 'RFC 9110 §10.1.1 another expectation')
  must(!(['GET', 'HEAD'].includes(first.method) && kind !== 'none' && kind !== 0), 'RFC 9110 §9.3.1, strict: GET or HEAD with a body')
  if (ours) {
    const hosts = all(fields, 'host')
    must(hosts.length === 1, '§3.2 not exactly one Host')
    first.misdirected = !isOurs(first.target, first.method, hosts[0], ours)
  }
  const { body, end } = bodyOf(text, head.end, kind)
  return { ...first, fields, framing: kind, body, start: at, headEnd: head.end, end, close: options.close || first.minor === 0 }
}

export function requests(bytes, { ours, all: beyond = false } = {}) {
  const text = bytes.toString('latin1')
  const messages = []
  let at = 0
  const rest = () => text.slice(at)
  try {
    for (let found; (found = request(text, at, ours)) !== undefined;) {
      messages.push(found)
      at = found.end
      if (found.close && !beyond) return { messages, end: 'closed', rest: rest() }
    }
    return { messages, end: 'clean', rest: '', at }
  } catch (error) {
    if (error instanceof Cut) return { messages, end: 'cut', rest: rest(), at }
    if (error instanceof Refused) return { messages, end: 'refused', rule: error.message, rest: rest(), at }
    throw error
  }
}

// One answer, behind interim ones, of a connection that ends behind the bytes. { status, body, whole, surplus, keeps } or { refused }.
export function response(bytes, { head = false } = {}) {
  const text = bytes.toString('latin1')
  let found
  try {
    for (let at = 0, interims = 0; ;) {
      const got = lines(text, at)
      const line = got.lines[0].match(/^HTTP\/1\.([01]) ([0-9]{3})( [\t\x20-\x7e\x80-\xff]*)?$/)
      must(line, '§4 not a status line')
      const [minor, status] = [Number(line[1]), Number(line[2])]
      must(status >= 100 && status <= 599, 'RFC 9110 §15 no status')
      const fields = fieldsOf(got.lines.slice(1))
      const kind = framing(fields, minor)
      const { close } = connection(fields)
      must(status !== 101, 'RFC 9110 §7.8, strict: a switch of protocols that nobody asked for')
      const bodiless = status < 200 || status === 204
      must(!(bodiless && kind !== 'none' && kind !== 0), '§6.1, RFC 9110 §8.6 a body announced with a status that has none')
      at = got.end
      if (status < 200) {
        must(++interims <= 8, 'strict: more than 8 interim answers')
        continue
      }
      const none = head || bodiless || status === 304
      found = { status, body: '', whole: false, fields }
      if (!none && kind === 'none') return { ...found, body: text.slice(at), whole: true, byClose: true, surplus: false }
      const { body, end } = bodyOf(text, at, none ? 'none' : kind)
      return { ...found, body, whole: true, surplus: end < text.length, keeps: !close && minor > 0 }
    }
  } catch (error) {
    if (error instanceof Cut) return found ?? { refused: '§8 a head that is cut' }
    if (error instanceof Refused) return found ? { ...found, rule: error.message } : { refused: error.message }
    throw error
  }
}
