// SPDX-License-Identifier: GPL-3.0-or-later
// One record for whatever was asked, enough of it to decide again, nothing in it to steal, and none lost.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { Client } from './lib/client.mjs'
import { refused } from './lib/expect.mjs'
import { until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { command, dumpLogs, must, run } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const POLICY = `
@id("readers")
permit (principal in Role::"test/reader", action in Action::"readwrite", resource is Collection)
when { resource.name like "docs*" && context.token.claims has level && context.token.claims.level >= 3 };

@id("sealed")
forbid (principal, action, resource) when { resource has name && resource.name == "docs-sealed" };
`
const SEARCH = '/collections/docs/points/search'
const SECRET = 'a-very-particular-word'
let w, shard, client, proof

before(async () => {
  shard = await Upstream.start()
  w = await World.make('audit', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }], policies: POLICY,
    change: { audit: { sync: 'request' } } })
  w.config.issuers[0].asserts.roles = ['reader']
  // A claim of our own needs a schema of our own.
  fs.writeFileSync(w.at('own.cedarschema'), command('policy', 'check', '--print-schema').replace('type Claims = {', 'type Claims = {\n  level?: Long,'))
  w.config.policy.schema = [w.at('own.cedarschema')]
  w.save()
  await w.start()
  client = await w.workload('client', { mint: { claims: { roles: ['reader'], level: 4 } } })
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

const claimsOf = token => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))

test('a request that was allowed has one record with who, what, why, where and how long', async () => {
  const body = { vector: [0.5], limit: 7, filter: { must: [{ key: 'k', match: { value: SECRET } }] } }
  proof = await client.proof('POST', SEARCH)
  const answer = await client.post(SEARCH, body, { headers: { dpop: proof } })
  assert.equal(answer.status, 200, answer.text)
  const record = await w.record(answer.headers['x-request-id'])
  const claims = claimsOf(client.token)
  assert.ok(Math.abs(Date.parse(record.time) - Date.now()) < 10000)
  assert.match(record.remote, /^127\.0\.0\.1:\d+$/)
  assert.equal(record.workload, client.who.id)
  assert.match(record.certificate_serial, /^[0-9a-f]+$/)
  assert.equal(record.subject, claims.sub)
  assert.equal(record.issuer, w.issuer.iss)
  assert.equal(record.client_id, 'test')
  assert.equal(record.jti, claims.jti)
  assert.equal(record.proof_thumbprint, claims.cnf.jkt)
  assert.deepEqual([record.method, record.path, record.api], ['POST', SEARCH, 'qdrant'])
  assert.deepEqual(record.accesses, [{ action: 'search', collection: 'docs' }])
  assert.deepEqual([record.decision, record.policies, record.shard, record.status], ['allow', ['readers'], 'one', 200])
  assert.equal(record.bytes_in, JSON.stringify(body).length)
  assert.equal(record.bytes_out, answer.bytes.length)
  for (const stage of ['identity', 'target', 'token', 'binding', 'api', 'policy', 'route', 'shard', 'total']) assert.ok(record.latency_us[stage] >= 0, stage)
  assert.equal(w.records().filter(r => r.request_id === record.request_id).length, 1)
})

test('the record holds every input of the policy, and `policy authorize` could decide again from it', async () => {
  const answer = await client.post(SEARCH, { vector: [0.5], limit: 7, with_vector: true })
  const { inputs } = await w.record(answer.headers['x-request-id'])
  assert.equal(inputs.length, 1)
  const [input] = inputs
  const text = JSON.stringify(input)
  for (const part of ['readers', 'Workload', 'Role', 'test/reader', 'docs', client.who.id].slice(1)) assert.ok(text.includes(part), `${part} in ${text}`)
  assert.equal(input.context.token.claims.level, 4)
  assert.equal(input.context.request.limit, 7)
  assert.equal(input.context.request.with_vectors, true)
  assert.equal(input.context.tls.version, 'TLSv1.3')
  assert.equal(input.context.http.operation, '/collections/{c}/points/search')
  const { fn, arg } = input.context.time.now.__extn
  assert.equal(fn, 'datetime')
  assert.ok(Math.abs(Date.parse(arg) - Date.now()) < 10_000)
  assert.equal(input.context.time.weekday, new Intl.DateTimeFormat('en', { weekday: 'long', timeZone: 'UTC' }).format(Date.parse(arg)).toLowerCase())
})

test('a refusal has one record with the reason that the client was not told', async () => {
  const cases = [
    [await client.get('/collections/docs-sealed'), { error: 'POLICY_FORBID', code: 'denied', policies: ['sealed'] }],
    [await client.get('/collections/payroll'), { error: 'POLICY_NO_PERMIT', code: 'denied' }],
    [await client.get('/collections/docs', { headers: { dpop: undefined } }), { error: 'PROOF_MISSING', code: 'proof_missing' }],
    [await client.get('/nowhere'), { error: 'API_UNKNOWN', code: 'api_unknown' }],
    [await client.get('/collections/docs', { headers: { authorization: undefined } }), { error: 'TOKEN_MISSING', code: 'token_missing' }],
    [await client.post(SEARCH, 'no json', { headers: { 'content-type': 'application/json' } }), { error: 'API_BODY', code: 'api_body' }]
  ]
  for (const [answer, wanted] of cases) {
    const record = await w.record(answer.headers['x-request-id'])
    assert.equal(record.decision, 'deny')
    assert.equal(record.status, answer.status)
    assert.ok(record.reason.length > 10)
    assert.equal(record.shard, undefined)
    for (const [name, value] of Object.entries(wanted)) assert.deepEqual(record[name], value)
  }
})

test('a malformed request and a refused handshake have a record', async () => {
  const before = w.records().length
  const raw = await client.open()
  raw.send('GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n')
  const answer = await raw.response()
  const record = await w.record(answer.headers['x-request-id'])
  assert.deepEqual([record.decision, record.error, record.status], ['deny', 'HTTP_HOST', 400])
  await new Client(w).handshake()
  const handshake = await until('the handshake', () => w.records().slice(before).find(r => r.kind === 'handshake'))
  assert.deepEqual([handshake.decision, handshake.error], ['deny', 'CERT_MISSING'])
  assert.match(handshake.remote, /^127\.0\.0\.1:\d+$/)
})

test('an answer that the client did not take whole, or that the shard cut, is recorded as such', async () => {
  shard.answer = (r, socket) => { socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx', () => socket.destroy()) }
  const before = w.records().length
  await assert.rejects(client.get('/collections/docs'))
  const cut = await until('the record', () => w.records().slice(before).find(r => r.kind === 'request'))
  assert.deepEqual([cut.decision, cut.error, cut.shard], ['allow', 'SHARD_CUT', 'one'])
  let reached
  shard.answer = () => { reached = true }
  const again = w.records().length
  const raw = await client.open()
  raw.send(await client.head('GET', '/collections/docs'))
  await until('the shard to have it', () => reached)
  raw.close()
  const gone = await until('the record', () => w.records().slice(again).find(r => r.kind === 'request'))
  assert.equal(gone.error, 'CLIENT_GONE')
  shard.answer = undefined
})

test('a request that changes data leaves its intent on the disk before the shard has it', async () => {
  let intent
  shard.answer = r => {
    intent = w.records().find(x => x.kind === 'intent' && x.request_id === r.get('x-request-id'))
    return json('{"result":true}')
  }
  const answer = await client.put('/collections/docs/points', { points: [] })
  assert.equal(answer.status, 200, answer.text)
  assert.ok(intent, 'it was there when the shard answered')
  assert.deepEqual(intent.accesses, [{ action: 'write', collection: 'docs' }])
  assert.deepEqual(intent.policies, ['readers'])
  shard.answer = undefined
  const read = await client.post(SEARCH, { vector: [1], limit: 1 })
  await w.record(read.headers['x-request-id'])
  assert.ok(!w.records().some(r => r.kind === 'intent' && r.request_id === read.headers['x-request-id']), 'a read leaves none')
})

test('with sync: request the record is in the file when the answer is there', async () => {
  for (let i = 0; i < 20; i++) {
    const answer = await client.get('/collections/docs')
    assert.ok(w.records().some(r => r.request_id === answer.headers['x-request-id']))
  }
})

test('SIGUSR1 opens the file anew, for who rotates it', async () => {
  fs.renameSync(w.audit, `${w.audit}.1`)
  w.process.kill('SIGUSR1')
  await until('the new file', () => fs.existsSync(w.audit))
  const answer = await client.get('/collections/docs')
  assert.equal(w.records().filter(r => r.request_id === answer.headers['x-request-id']).length, 1)
})

test('no token, proof, key or body is in the audit file or the log', async () => {
  const text = fs.readFileSync(w.audit, 'utf8') + fs.readFileSync(`${w.audit}.1`, 'utf8') + w.process.log
  for (const secret of [...client.token.split('.'), ...proof.split('.'), client.who.keyPem.split('\n')[1], SECRET]) {
    for (let at = 0; at + 24 <= secret.length; at += 24) assert.ok(!text.includes(secret.slice(at, at + 24)), `${at} of ${secret.slice(0, 16)}`)
    assert.ok(!text.includes(secret.slice(0, 20)))
  }
  const jwk = JSON.parse(Buffer.from(proof.split('.')[0], 'base64url')).jwk
  assert.ok(!text.includes(jwk.x))
  assert.ok(text.includes(createHash('sha256').update(JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y })).digest('base64url')), 'but the thumbprint of the proof\'s key')
})

test('kill -9 under load loses no record whose answer was complete', async () => {
  const clients = await Promise.all(Array.from({ length: 6 }, () => w.workload('client', { who: client.who, keys: client.keys, token: client.token })))
  const answered = []
  const load = clients.map(async c => {
    for (;;) {
      try {
        const answer = await c.get('/collections/docs')
        if (answer.status === 200) answered.push(answer.headers['x-request-id'])
      } catch {
        return
      }
    }
  })
  await until('two hundred answers', () => answered.length > 200, 30000)
  w.process.kill('SIGKILL')
  await w.process.ended
  await Promise.all(load)
  const lines = fs.readFileSync(w.audit, 'utf8').split('\n')
  lines.pop() // what comes after the last line break may be half a record
  const recorded = new Set(lines.filter(Boolean).map(line => JSON.parse(line).request_id))
  const lost = answered.filter(id => !recorded.has(id))
  assert.deepEqual(lost, [], `${lost.length} of ${answered.length}`)
})

test('after a crash the file goes on with a whole line', async () => {
  fs.appendFileSync(w.audit, '{"time":"half a rec')
  await w.start()
  const answer = await client.get('/collections/docs')
  assert.equal(answer.status, 200)
  const lines = fs.readFileSync(w.audit, 'utf8').trimEnd().split('\n')
  const own = lines.filter(line => line.includes(answer.headers['x-request-id']))
  assert.equal(own.length, 1)
  assert.equal(JSON.parse(own[0]).status, 200)
})

test('with a full disk requests are refused or records dropped and counted, as configured; afterwards it goes on', async t => {
  const disk = w.at('disk')
  fs.mkdirSync(disk)
  const mounted = process.getuid() === 0 && run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]).status === 0
  if (!mounted) return t.skip('a file system cannot be mounted here; it needs root')
  try {
    await w.process.stop()
    w.config.audit.file = w.audit = `${disk}/audit.jsonl`
    w.save()
    await w.start()
    assert.equal((await client.get('/collections/docs')).status, 200)
    const filler = `${disk}/filler`
    const fill = fs.openSync(filler, 'w')
    try { for (;;) fs.writeSync(fill, Buffer.alloc(512)) } catch (error) { assert.equal(error.code, 'ENOSPC') }
    fs.closeSync(fill)
    const reached = shard.requests.length
    let refusal
    await until('a refusal', async () => {
      const answer = await client.get('/collections/docs').catch(() => undefined) // an answer whose record cannot be written is not given
      if (answer?.status === 503) refusal = answer
      return refusal
    })
    refused(refusal, { status: 503, code: 'audit_unavailable' })
    const write = await client.put('/collections/docs/points', { points: [] })
    refused(write, { status: 503, code: 'audit_unavailable' })
    assert.ok(shard.requests.slice(reached).every(r => r.method === 'GET'), 'no change without its record')
    const { plain } = await import('./lib/client.mjs')
    assert.equal((await plain(w.operations, '/readyz')).status, 503)
    fs.unlinkSync(filler)
    await until('it to go on', async () => (await client.get('/collections/docs').catch(() => undefined))?.status === 200)
    assert.equal((await plain(w.operations, '/readyz')).status, 200)
    for (const line of fs.readFileSync(w.audit, 'utf8').trimEnd().split('\n')) JSON.parse(line)
    await t.test('on_full: drop', async () => {
      await w.process.stop()
      Object.assign(w.config.audit, { on_full: 'drop', sync: 'batch', queue: '64KiB' })
      w.save()
      await w.start()
      const again = fs.openSync(filler, 'w')
      try { for (;;) fs.writeSync(again, Buffer.alloc(512)) } catch (error) { assert.equal(error.code, 'ENOSPC') }
      fs.closeSync(again)
      await until('drops to be counted', async () => {
        assert.equal((await client.get('/collections/docs')).status, 200)
        return (await w.metrics()).sallyport_audit_dropped_total > 0
      }, 30000)
    })
  } finally {
    await w.process.stop()
    must('umount', [disk])
  }
})
