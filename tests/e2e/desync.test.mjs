// SPDX-License-Identifier: GPL-3.0-or-later
// The published cases of HTTP/1.1 parsing, as attacks on the real process: llhttp's own test pages and the corpus of http-desync-guardian. Each
// is given what the gates want (an authority, a token, a proof for each request in it), so that nothing but its form can stop it, and is
// followed on its connection by an innocent request. What has to come of it is not written down case by case: lib/rfc9112.mjs reads the same
// bytes by the rules of the RFC. What did come of it is what a shard recorded, byte for byte.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { repository, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { requests, response } from './lib/rfc9112.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const vectors = path.join(process.env.SALLYPORT_VECTORS ?? path.join(repository, '../shared/vectors'), 'http1')
const have = fs.existsSync(vectors)
const cases = file => fs.readFileSync(path.join(vectors, file), 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line))
const options = have ? {} : { skip: 'the published cases are not here' }

// A target that the policy allows and the shard gets as it is, with a streamed body where the method has one.
const PLACES = { GET: c => `/collections/${c}`, HEAD: c => `/collections/${c}`, POST: c => `/collections/${c}/cluster`, PUT: c => `/collections/${c}/index`, PATCH: c => `/collections/${c}` }
let w, shard, client, ours
const raw = new Map() // a connection to the shard → all it got
let through = 0       // requests that should have reached it
const open = new Set() // what may have reached it in part: the cases whose last request is no whole one

before(async () => {
  if (!have) return
  shard = await Upstream.start()
  shard.answer = r => json({ you: `${r.method} ${r.path}` }).slice(0, r.method === 'HEAD' ? json({ you: `${r.method} ${r.path}` }).indexOf('\r\n\r\n') + 4 : undefined)
  shard.onBytes = (data, socket) => raw.set(socket, Buffer.concat([raw.get(socket) ?? Buffer.alloc(0), data]))
  w = await World.make('desync', { shards: [{ name: 'recorder', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'recorder' }], loops: 1 })
  await w.start()
  client = await w.workload('rag')
  ours = [`localhost:${w.port}`]
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

// -------------------------------------------------------------------------------------------------- making a case pass

// Gives one head what the gates want. Its request line and the form of its fields stay as they are; a target that is a plain path becomes one
// of ours, and a Host that stands alone becomes ours.
async function endow(text, marker) {
  const line = text.match(/^(\r\n)?([!-~]+) (\S+) (HTTP\/[0-9]\.[0-9])\r\n/)
  if (!line) return text
  const [whole, empty = '', method, target, version] = line
  const place = /^\/[\w./-]*$/.test(target) && PLACES[method] ? PLACES[method](marker) : target
  let rest = text.slice(whole.length)
  const end = rest.indexOf('\r\n\r\n')
  let head = end < 0 ? rest : rest.slice(0, end + 2)
  rest = rest.slice(head.length)
  const hosts = head.match(/^host:.*$/gim) ?? []
  if (hosts.length === 1) head = head.replace(/^(host:[ \t]*)[\w.-]+(:\d+)?(?=[ \t]*\r)/im, `$1${ours[0]}`)
  const fields = { ...(hosts.length === 0 && { Host: ours[0] }), ...await client.credentials(method, place.split('?')[0]) }
  return `${empty}${method} ${place} ${version}\r\n${Object.entries(fields).map(([n, v]) => `${n}: ${v}\r\n`).join('')}${head}${rest}`
}

// Every request in the bytes gets its credentials: those that are whole, the one that is not, and what looks like one behind it.
async function spliced(text, name) {
  let out = ''
  let n = 0
  const { messages, end, at } = requests(Buffer.from(text, 'latin1'), { all: true })
  let from = 0
  for (const m of messages) {
    out += await endow(text.slice(from, m.end), `${name}-${n++}`)
    from = m.end
  }
  if (end === 'clean') return out + text.slice(from)
  const pieces = text.slice(at).split(/(?<=\n)(?=(?:GET|POST|PUT|PATCH) \S+ HTTP\/1\.1\r\n)/)
  for (const piece of end === 'refused' ? pieces : [text.slice(at)]) out += await endow(piece, `${name}-${n++}`)
  return out
}

// A published head without its body gets one of the kind that it announces.
function completed(head) {
  const found = requests(Buffer.from(head, 'latin1'), { all: true })
  if (found.end === 'clean') return head
  const length = head.match(/^content-length:[ \t]*(\d+)[ \t]*\r$/im)
  const chunked = /^transfer-encoding:[ \t]*chunked/im.test(head)
  if (found.end === 'cut' && length && !chunked) return head + 'x'.repeat(Math.min(Number(length[1]), 1 << 20))
  return `${head}5\r\nhello\r\n0\r\n\r\n`
}

// ------------------------------------------------------------------------------------------------------- what came of it

const sent = r => `${r.method} ${r.target ?? r.path} ${JSON.stringify(r.body.toString('latin1'))}`
const passes = m => !m.misdirected && PLACES[m.method] && /^\/collections\/[\w-]+(\/cluster|\/index)?$/.test(m.target)

// One connection, one case, one innocent request behind it.
async function attack(name, text) {
  const innocent = await client.head('GET', `/collections/innocent-${name}`)
  const bytes = Buffer.from(text + innocent, 'latin1')
  const wanted = requests(bytes, { ours })
  const from = shard.requests.length
  const connection = await client.open()
  connection.send(bytes)
  connection.socket.end()
  const answers = []
  const due = wanted.messages.length + (wanted.end === 'refused' ? 1 : 0)
  const why = () => `${wanted.messages.length} messages, then ${wanted.end} ${wanted.rule ?? ''}; answered ${answers.map(a => `${a.status} ${a.body}`).join(', ')}\n${JSON.stringify(bytes.toString('latin1').replace(/^(authorization|dpop): .*\r\n/gim, ''))}`
  for (let i = 0; i < due; i++) answers.push(await connection.response({ head: wanted.messages[i]?.method === 'HEAD' }).catch(error => assert.fail(`${error.message}\n${why()}`)))
  await connection.closed

  // The client: an answer for each, its own, and nothing behind them.
  assert.ok(connection.received.length === 0 || (wanted.end === 'cut' && /^HTTP\/1\.1 4/.test(connection.received)), `more answers than requests: ${connection.received}\n${why()}`)
  wanted.messages.forEach((m, i) => {
    if (passes(m)) assert.equal(answers[i].status, 200, why())
    else assert.ok(m.misdirected ? answers[i].status === 421 : answers[i].status >= 400 && answers[i].status < 500, why())
    if (passes(m) && m.method !== 'HEAD') assert.equal(answers[i].json.you, `${m.method} ${m.target}`, 'the answer is another request\'s')
  })
  if (wanted.end === 'refused') {
    const last = answers.at(-1)
    assert.ok((last.status >= 400 && last.status < 500) || [501, 505].includes(last.status), why())
    assert.equal(last.headers.connection, 'close', why())
  }

  // The shard: each that passes, once, with its meaning, in order. What else it got is looked at when all is there: see settled.
  const passed = wanted.messages.filter(passes)
  assert.deepEqual(shard.requests.slice(from).map(sent), passed.map(sent), why())
  through += passed.length
  if (wanted.end !== 'clean') open.add(name)
  return { ...wanted, through: passed.length }
}

// Not a byte more reached the shard than what is still the beginning of a request that was refused when its head had been passed on already, and
// behind that nothing on the same connection. Such a beginning may come after the client's answer, so it is not looked for case by case.
async function settled() {
  const read = () => [...raw].map(([socket, bytes]) => ({ socket, bytes, ...requests(bytes, { all: true }) }))
  await until('the cut connections are closed', () => read().every(r => r.end === 'clean' || r.socket.destroyed))
  const got = read()
  assert.equal(got.reduce((n, r) => n + r.messages.length, 0), through, 'requests that the shard got')
  for (const r of got) {
    if (r.end === 'clean') continue
    const rest = r.bytes.subarray(r.at).toString('latin1')
    assert.equal(r.end, 'cut', `the shard's bytes are refused: ${r.rule} ${JSON.stringify(rest.slice(0, 2000))}`)
    assert.ok([...open].some(name => rest.includes(`/collections/${name}-`)), `a beginning of a request that is none: ${JSON.stringify(rest.slice(0, 2000))}`)
  }
}

const tally = new Map()
function count(corpus, result, accepted) {
  const t = tally.get(corpus) ?? { cases: 0, through: 0, refused: 0, gate: 0, cut: 0, rules: new Map(), stricter: new Map() }
  tally.set(corpus, t)
  t.cases++
  t.through += result.through
  t[{ refused: 'refused', cut: 'cut' }[result.end] ?? 'gate'] += ['refused', 'cut'].includes(result.end) || result.through < result.messages.length ? 1 : 0
  if (result.rule) t.rules.set(result.rule, (t.rules.get(result.rule) ?? 0) + 1)
  if (result.rule && accepted) t.stricter.set(result.rule, (t.stricter.get(result.rule) ?? 0) + 1)
}
const report = (t, corpus) => {
  const c = tally.get(corpus)
  t.diagnostic(`${corpus}: ${c.cases} cases, ${c.through} requests passed on, ${c.refused} refused by a rule, ${c.cut} cut, ${c.gate} read and stopped at a gate`)
  const list = rules => [...rules].sort((a, b) => b[1] - a[1]).map(([rule, n]) => `  ${n} × ${rule}`)
  for (const line of list(c.rules)) t.diagnostic(line)
  if (c.stricter.size > 0) t.diagnostic('of which its authors accept:')
  for (const line of list(c.stricter)) t.diagnostic(line)
  return c
}

async function run(corpus, list) {
  const wrong = []
  for (const [id, text, verdict] of list) {
    try {
      const result = await attack(id.replace(/[^\w]/g, '-').replace(/^-+/, ''), text)
      if (verdict === 'reject') assert.equal(result.end, 'refused', 'read, where its authors refuse')
      count(corpus, result, verdict === 'accept')
    } catch (error) {
      wrong.push(`${id}: ${error.message}`)
    }
  }
  assert.equal(wrong.length, 0, `${wrong.length} cases:\n${wrong.join('\n\n')}`)
  await settled()
}

test('llhttp\'s requests reach the shard as what they are, or not at all, and the innocent request behind each is nobody\'s victim', options, async t => {
  const list = []
  for (const c of cases('llhttp-md.jsonl')) {
    if (c.kind !== 'http' || !c.type.startsWith('request')) continue
    // llhttp's lenient modes have verdicts of their own, and nothing of them is ours; an upgrade, it leaves to its caller.
    const verdict = c.type === 'request' && c.expect !== 'pause' ? c.expect : undefined
    list.push([c.id.slice(7), await spliced(Buffer.from(c.raw_b64, 'base64').toString('latin1'), `r${c.line_of_case}`), verdict])
  }
  await run('llhttp requests', list)
  const { cases: n, refused } = report(t, 'llhttp requests')
  assert.equal(n, 166)
  assert.ok(refused >= 90)
})

test('llhttp\'s targets are read as one thing or refused', options, async t => {
  const list = []
  for (const c of cases('llhttp-md.jsonl')) {
    if (c.kind !== 'url') continue
    list.push([`url-${c.line_of_case}`, await endow(`GET ${Buffer.from(c.raw_b64, 'base64').toString('latin1')} HTTP/1.1\r\n\r\n`, `u${c.line_of_case}`), c.expect])
  }
  await run('llhttp targets', list)
  assert.equal(report(t, 'llhttp targets').cases, 21)
})

test('http-desync-guardian\'s heads reach the shard as what they are, or not at all', options, async t => {
  const list = []
  for (const c of cases('http-desync-guardian.jsonl')) {
    const text = completed(Buffer.from(c.raw_head_b64, 'base64').toString('latin1'))
    list.push([c.id.slice(4), await spliced(text, c.id.slice(4).replace(/[^\w]/g, '-')), c.tier === 'Compliant' ? 'accept' : undefined])
    // What its authors call severe or ambiguous is never read as a request, but for what lies in its target alone.
    const wanted = requests(Buffer.from(list.at(-1)[1], 'latin1'), { ours })
    if (['Severe', 'Ambiguous'].includes(c.tier)) assert.equal(wanted.messages.length, 0, `${c.id} (${c.reason})`)
  }
  await run('http-desync-guardian', list)
  assert.equal(report(t, 'http-desync-guardian').cases, 159)
})

// ------------------------------------------------------------------------------------------------------- the other side

test('llhttp\'s answers, said by the shard, are passed on as what they are, or are 502, and the next answer is the next request\'s', options, async t => {
  const wrong = []
  const seen = { whole: 0, refused: 0, cut: 0 }
  for (const c of cases('llhttp-md.jsonl')) {
    if (c.kind !== 'http' || !c.type.startsWith('response')) continue
    for (const method of ['GET', 'HEAD']) {
      const bytes = Buffer.from(c.raw_b64, 'base64')
      const wanted = response(bytes, { head: method === 'HEAD' })
      const usual = shard.answer
      shard.answer = (r, socket) => {
        shard.answer = usual
        if (wanted.whole && !wanted.byClose) socket.write(bytes)
        else socket.end(bytes)
      }
      try {
        const before = shard.requests.length
        const connection = await client.open()
        connection.send(await client.head(method, `/collections/a${c.line_of_case}`) + await client.head('GET', '/collections/innocent'))
        const cut = !wanted.refused && !wanted.whole
        const answer = await connection.response({ head: method === 'HEAD' }).catch(error => { if (!cut) throw error })
        if (cut && !answer) {
          await connection.closed
          assert.equal(shard.requests.length, before + 1)
        } else {
          // One that breaks before a byte of it went out is 502 as well.
          if (cut) assert.equal(answer.status, 502, 'an answer that was cut arrived whole')
          const refused = wanted.refused || cut
          assert.equal(answer.status, refused ? 502 : wanted.status)
          if (refused && method === 'GET') assert.equal(answer.json.code, 'shard_invalid')
          if (!refused) assert.equal(answer.body, wanted.body)
          const next = await connection.response()
          assert.equal(next.json.you, 'GET /collections/innocent')
          assert.equal(shard.requests.length, before + 2, 'sent more than once')
          if (wanted.surplus) assert.notEqual(shard.requests.at(-1).connection, shard.requests.at(-2).connection, 'a connection with a surplus was used again')
        }
        connection.close()
        seen[wanted.refused ? 'refused' : cut ? 'cut' : 'whole']++
      } catch (error) {
        wrong.push(`${c.id} ${method}: ${error.message}\n${JSON.stringify(wanted)}\n${JSON.stringify(bytes.toString('latin1'))}`)
      }
      shard.answer = usual
    }
  }
  t.diagnostic(`llhttp answers: ${seen.whole} passed on, ${seen.refused} are 502, ${seen.cut} are cut (each as the answer to GET and to HEAD)`)
  assert.equal(wrong.length, 0, `${wrong.length} cases:\n${wrong.join('\n\n')}`)
  assert.equal(seen.whole + seen.refused + seen.cut, 2 * 85)
})
