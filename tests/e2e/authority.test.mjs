// SPDX-License-Identifier: GPL-3.0-or-later
// The authority role as a process of its own: starts from a small configuration, says who it is, refuses who it must, and loses nothing.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, beforeEach, test } from 'node:test'
import { Authority } from './lib/ca.mjs'
import { Client, plain } from './lib/client.mjs'
import { port, sallyport, sleep, temporary, until } from './lib/files.mjs'
import { World, yaml } from './lib/gateway.mjs'
import { dumpLogs, run } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const JWKS = '/oauth2/jwks'
const METADATA = '/.well-known/oauth-authorization-server'
let w, base, client

// A World without a gateway.
async function authority(name, change = {}) {
  const a = new World()
  a.folder = temporary(name)
  a.at = file => `${a.folder}/${file}`
  a.ca = new Authority(a.folder, 'example.org')
  a.bundle = a.ca.bundlePem
  a.server = a.ca.issue('authority', { dns: ['localhost'] })
  a.port = await port()
  a.operations = await port()
  a.audit = a.at('audit.jsonl')
  fs.mkdirSync(a.at('state'), { mode: 0o700 })
  fs.writeFileSync(a.at('passphrase'), 'a long passphrase of the test\n', { mode: 0o600 })
  fs.writeFileSync(a.at('issue.cedar'), '@id("all")\npermit (principal, action == Action::"token:issue", resource);\n')
  a.config = {
    trust_domains: [{ name: 'example.org', bundle: a.ca.bundle }],
    authority: {
      issuer: `https://localhost:${a.port}`,
      addresses: [`127.0.0.1:${a.port}`],
      tls: { certificate: a.server.cert, key: a.server.key },
      state: a.at('state'),
      signing: { passphrase_file: a.at('passphrase') },
      audiences: ['sallyport'],
      policy: { files: [a.at('issue.cedar')] },
      ...change
    },
    audit: { file: a.audit, interval: '10ms' },
    operations: { listen: `127.0.0.1:${a.operations}` }
  }
  a.file = a.at('authority.yaml')
  a.save()
  return a
}

const open = (name, more) => new Client(w, name && w.ca.issue(name), more)
const kids = answer => answer.json.keys.map(k => k.kid)

before(async () => {
  w = await authority('authority')
  base = structuredClone(w.config)
  await w.start()
  client = open('client')
})

beforeEach(() => {
  w.config = structuredClone(base)
  w.save()
})

after(async () => {
  client?.close()
  dumpLogs(w?.process)
  await w?.stop()
})

test('a file with authority: alone starts, and no loop of a gateway is there', async () => {
  assert.equal((await plain(w.operations, '/readyz')).text, 'ready\n')
  const metrics = await w.metrics()
  assert.equal(metrics.sallyport_loops, 0)
  assert.ok(metrics.sallyport_certificate_expiry_timestamp_seconds > Date.now() / 1000)
  const checked = run(sallyport, ['check', '--config', w.file])
  assert.equal(checked.status, 0, checked.out + checked.err)
})

test('keys and metadata are there, and counted', async () => {
  const before = await w.metrics()
  const keys = await client.get(JWKS)
  assert.equal(keys.status, 200)
  assert.equal(keys.json.keys.length > 0, true)
  for (const key of keys.json.keys) assert.deepEqual([key.kty, key.crv, key.alg, key.d], ['EC', 'P-256', 'ES256', undefined])
  const metadata = await client.get(METADATA)
  assert.equal(metadata.json.issuer, `https://localhost:${w.port}`)
  assert.equal(metadata.json.jwks_uri, `https://localhost:${w.port}${JWKS}`)
  assert.match(metadata.headers['x-request-id'], /^[0-9a-f]{32}$/)
  const head = await client.request('HEAD', JWKS)
  assert.deepEqual([head.status, head.text, head.headers['content-length']], [200, '', keys.headers['content-length']])
  const name = 'sallyport_authority_requests_total{endpoint="jwks",status="2xx"}'
  assert.equal((await w.metrics())[name] - (before[name] ?? 0), 2)
})

test('other paths are 404, other methods 405 with Allow, other authorities 421; each leaves a record', async () => {
  const lost = await client.get('/oauth2/authorize')
  assert.deepEqual([lost.status, lost.json.code], [404, 'not_found'])
  const method = await client.get('/oauth2/token')
  assert.deepEqual([method.status, method.json.code, method.headers.allow], [405, 'method_not_allowed', 'POST'])
  assert.equal((await client.request('DELETE', JWKS)).headers.allow, 'GET, HEAD')
  const elsewhere = await client.get(JWKS, { headers: { host: 'elsewhere.test' } })
  assert.equal(elsewhere.status, 421)
  const record = await w.record(method.headers['x-request-id'])
  assert.equal(record.status, 405)
  assert.equal(record.workload, 'spiffe://example.org/client')
  assert.equal(record.path, '/oauth2/token')
})

test('nobody comes in without a certificate, or with somebody else\'s', async () => {
  const nobody = open(undefined)
  assert.notEqual(await nobody.handshake(), 'open')
  const stranger = new Authority(temporary('stranger'), 'example.org').issue('client')
  assert.notEqual(await new Client(w, stranger).handshake(), 'open')
  await until('the records', () => w.records().filter(r => r.kind === 'handshake').length >= 2)
})

test('a body over 64 KiB is 413', async () => {
  const large = await client.request('POST', '/oauth2/token', { body: 'x'.repeat(70000), headers: { 'content-type': 'application/x-www-form-urlencoded' }, agent: false })
  assert.equal(large.status, 413)
})

test('a revoked certificate is refused on the connection that it opened', async () => {
  const who = w.ca.issue('leaver')
  const leaver = new Client(w, who)
  assert.equal((await leaver.get(JWKS)).status, 200)
  w.config.trust_domains[0].crls = [w.at('crl.pem')]
  fs.writeFileSync(w.at('crl.pem'), w.ca.crl())
  w.save()
  assert.equal(await w.reload(), true)
  assert.equal((await leaver.get(JWKS)).status, 200)
  w.ca.revoke(who)
  fs.writeFileSync(w.at('crl.pem'), w.ca.crl())
  await until('the refusal', async () => {
    const answer = await leaver.get(JWKS)
    return answer.status === 403 && answer.json.code === 'certificate_revoked'
  })
  leaver.close()
})

test('a reload is taken up; a bad one, and one of other roles, is refused and changes nothing', async () => {
  w.config.authority.audiences = ['sallyport', 'another']
  w.save()
  assert.equal(await w.reload(), true)
  w.config.authority.policy.files = [w.at('absent.cedar')]
  w.save()
  assert.equal(await w.reload(), false)
  assert.match(w.process.log, /absent\.cedar: no such file/)
  w.config = structuredClone(base)
  delete w.config.authority
  fs.writeFileSync(w.file, yaml(w.config).trimStart())
  assert.equal(await w.reload(), false)
  assert.equal((await client.get(JWKS)).status, 200)
})

test('keys survive SIGKILL and SIGTERM', async () => {
  const before = kids(await client.get(JWKS))
  w.process.kill('SIGKILL')
  await w.process.ended
  await w.start()
  const again = open('client')
  assert.deepEqual(kids(await again.get(JWKS)), before)
  const ended = await w.process.stop()
  assert.equal(ended.code, 0, ended.log)
  await w.start()
  assert.deepEqual(kids(await again.get(JWKS)), before)
  again.close()
})

test('SIGTERM lets a request that is under way end, and takes no other', async () => {
  const raw = await client.open()
  raw.send(`POST /oauth2/token HTTP/1.1\r\nHost: localhost:${w.port}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 4\r\n\r\na`)
  await sleep(200)
  w.process.kill('SIGTERM')
  await until('the drain', () => /draining/.test(w.process.log))
  await until('the listener to close', () => client.open().then(() => false, () => true))
  raw.send('=b&')
  const answer = await raw.response()
  assert.ok(answer.status >= 400 && answer.status < 500, answer.line)
  assert.equal(answer.headers.connection, 'close')
  assert.equal((await w.process.ended).code, 0)
  await w.start()
})

test('a state folder or a secret that others can read is refused at the start', async () => {
  fs.chmodSync(w.at('state'), 0o755)
  fs.chmodSync(w.at('passphrase'), 0o644)
  const checked = run(sallyport, ['check', '--config', w.file])
  fs.chmodSync(w.at('state'), 0o700)
  fs.chmodSync(w.at('passphrase'), 0o600)
  assert.equal(checked.status, 1)
  assert.match(checked.out, /authority\.yaml:\d+:\d+: error: .*state: others may look into it or write to it; chmod 700 it/)
  assert.match(checked.out, /authority\.yaml:\d+:\d+: error: .*passphrase: others may read it or write to it; chmod 600 it/)
})

test('a state folder that is not there is made at the start, for its owner alone; not so the folder that it is in', async () => {
  const fresh = await authority('fresh', {})
  const state = fresh.at('state')
  fs.rmdirSync(state)
  assert.equal(run(sallyport, ['check', '--config', fresh.file]).status, 0)
  assert.equal(fs.existsSync(state), false, 'check makes nothing')
  await fresh.start()
  await fresh.stop()
  assert.equal(fs.statSync(state).mode & 0o7777, 0o700)
  fresh.config.authority.state = fresh.at('absent/state')
  fresh.save()
  assert.match(run(sallyport, ['check', '--config', fresh.file]).out, /absent\/state: No such file or directory; make the folder/)
})

test('with client_certificates: optional a client comes without one, and is nobody', async () => {
  const o = await authority('optional', { client_certificates: 'optional' })
  await o.start()
  try {
    const nobody = new Client(o, undefined)
    const keys = await nobody.get(JWKS)
    assert.equal(keys.status, 200)
    const lost = await nobody.get('/nowhere')
    const record = await o.record(lost.headers['x-request-id'])
    assert.equal(record.workload, undefined)
    nobody.close()
    const stranger = new Authority(temporary('stranger'), 'example.org').issue('client')
    assert.notEqual(await new Client(o, stranger).handshake(), 'open')
  } finally {
    dumpLogs(o.process)
    await o.stop()
  }
})

test('gateway and authority side by side in one process, each with its own listener', async () => {
  const shard = await Upstream.start()
  const b = await World.make('both', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }] })
  const own = await port()
  fs.mkdirSync(b.at('state'), { mode: 0o700 })
  fs.writeFileSync(b.at('passphrase'), 'a long passphrase of the test\n', { mode: 0o600 })
  b.config.authority = { ...structuredClone(base.authority), issuer: `https://localhost:${own}`, addresses: [`127.0.0.1:${own}`],
    tls: { certificate: b.server.cert, key: b.server.key }, state: b.at('state'), signing: { passphrase_file: b.at('passphrase') } }
  b.config.audit.sync = 'request'
  b.save()
  await b.start()
  try {
    const c = await b.workload('client')
    assert.equal((await c.get('/collections/docs')).status, 200)
    const asked = new Client({ port: own, bundle: b.bundle }, b.ca.issue('asker'))
    const lost = await asked.get('/nowhere')
    assert.equal(lost.status, 404)
    // With sync: request the record was there before the answer.
    assert.ok(b.records().some(r => r.request_id === lost.headers['x-request-id'] && r.status === 404))
    // Neither serves what is the other's.
    assert.equal((await asked.get('/collections/docs')).status, 404)
    assert.equal((await c.get(JWKS)).status, 403)
    // A session of one listener is none of the other.
    const raw = await c.open()
    raw.send(await c.head('GET', '/collections/docs'))
    await raw.response()
    await sleep(100)
    const session = raw.socket.getSession()
    raw.close()
    assert.ok(session)
    const bare = new Client(b, undefined)
    assert.equal(await bare.handshake({ session }), 'open')
    const nobody = new Client({ port: own, bundle: b.bundle }, undefined)
    assert.notEqual(await nobody.handshake({ session }), 'open')
    asked.close()
    assert.equal(await b.reload(), true)
  } finally {
    dumpLogs(b.process)
    await b.stop()
    await shard.stop()
  }
})
