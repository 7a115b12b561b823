// SPDX-License-Identifier: GPL-3.0-or-later
// Revocations from the command line and a watched file, against a gateway that runs: cached tokens, answers under way, a restart.
import assert from 'node:assert/strict'
import { randomUUID, X509Certificate } from 'node:crypto'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { nothingReaches, refused } from './lib/expect.mjs'
import { replace, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { command, dumpLogs } from './lib/program.mjs'
import { boundToKey } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
let w, shard, store, file

before(async () => {
  shard = await Upstream.start()
  w = await World.make('revocation', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }] })
  store = w.at('revoked.db')
  file = w.at('revoked.jsonl')
  fs.writeFileSync(file, '\n')
  w.config.revocations = { store, file, grace: '1s' }
  w.config.issuers[0].leeway = '0s'
  w.save()
  await w.start()
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

const revoke = (...args) => command('token', 'revoke', '--store', store, ...args)
const allowed = async c => assert.equal((await c.get(DOCS)).status, 200)

// The same client on connections of its own, so that each event loop has it.
const everywhere = c => Array.from({ length: 6 }, () => c.with({}))

// A revocation is in force within a second; a machine under load gets a little more.
async function inForce(clients, expected) {
  const from = Date.now()
  for (const c of clients) {
    const answer = await until('the revocation', async () => {
      const a = await c.get(DOCS)
      return a.status !== 200 && a
    }, 5000)
    refused(answer, expected)
  }
  assert.ok(Date.now() - from < 2500, `it took ${Date.now() - from} ms`)
  for (const c of clients) refused(await nothingReaches(shard, () => c.get(DOCS)), expected)
}

const kinds = {
  jti: { args: c => ['--jti', c.claims.jti, '--issuer', w.issuer.iss] },
  token: { args: c => { fs.writeFileSync(w.at('token'), c.token); return ['--token', `@${w.at('token')}`] } },
  subject: { args: c => ['--subject', c.who.id] },
  client: { args: c => ['--client', c.claims.client_id] },
  thumbprint: { args: async c => ['--thumbprint', (await boundToKey(c.keys)).jkt] },
  'issue date': { args: c => ['--subject', c.who.id, '--issued-before', '+1s'] },
  workload: { certificate: true, args: c => ['--workload', c.who.id] },
  serial: { certificate: true, args: c => ['--serial', new X509Certificate(c.who.certPem).serialNumber, '--issuer', 'example.org'] }
}

// A workload nobody else in this file has anything to do with.
async function someone(name, options = {}) {
  const id = `${name}-${randomUUID().slice(0, 8)}`
  const c = await w.workload(id, { ...options, mint: { claims: { client_id: id, jti: id }, ...options.mint } })
  c.claims = { client_id: id, jti: id }
  return c
}

const expectedFor = kind => kinds[kind].certificate ? { status: 403, code: 'certificate_revoked' } : { status: 401, code: 'token_revoked' }

for (const kind of Object.keys(kinds)) {
  test(`revoked by ${kind}: a token that every loop has in its cache is refused on each of them`, async () => {
    const c = await someone('cached')
    const all = everywhere(c)
    for (const one of all) await allowed(one)
    revoke(...await kinds[kind].args(c))
    await inForce(all, expectedFor(kind))
    for (const one of all) one.close()
    await allowed(await someone('bystander'))
  })
}

// An answer that never ends; resolves with what is to be known of it once it has begun.
async function stream(c) {
  shard.answer = (request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n')
    const timer = setInterval(() => socket.write('1\r\nx\r\n'), 50)
    socket.once('close', () => clearInterval(timer))
  }
  const found = {}
  await c.get(DOCS, { onResponse: response => {
    found.id = response.headers['x-request-id']
    found.status = response.statusCode
    found.bytes = 0
    response.on('data', data => { found.bytes += data.length })
    response.on('error', error => { found.error = error })
    response.on('end', () => { found.whole = response.complete })
    response.on('close', () => { found.over = Date.now() })
  } })
  shard.answer = undefined
  await until('the first bytes', () => found.bytes > 0)
  return found
}

async function cut(found, err) {
  await until('the end of the stream', () => found.over)
  assert.ok(!found.whole, 'a cut answer must not pass for a whole one')
  const record = await until('its record', () => w.records().find(r => r.request_id === found.id && r.kind === 'request'))
  assert.ok(JSON.stringify(record).includes(err), JSON.stringify(record))
  return record
}

for (const kind of ['jti', 'workload']) {
  test(`revoked by ${kind}: an answer that is streaming is cut, the shard is let go, and the record says why`, async () => {
    const c = await someone('streaming')
    const other = await someone('undisturbed')
    const [one, two] = [await stream(c), await stream(other)]
    const from = Date.now()
    const closed = shard.closed ?? 0
    revoke(...await kinds[kind].args(c), '--reason', 'seen in a log')
    const record = await cut(one, kinds[kind].certificate ? 'CERT_REVOKED' : 'TOKEN_REVOKED')
    assert.ok(one.over - from < 2500, `it took ${one.over - from} ms`)
    assert.ok(JSON.stringify(record).includes('seen in a log'))
    await until('the shard to be let go', () => (shard.closed ?? 0) > closed)
    const bytes = two.bytes
    await until('the other stream to go on', () => two.bytes > bytes)
    assert.ok(!two.over)
    other.close()
  })
}

test('a token that expires while its answer streams ends it after the grace', async () => {
  const issued = Math.floor(Date.now() / 1000)
  const c = await someone('expiring', { mint: { ttl: 4, issued } })
  const found = await stream(c)
  await cut(found, 'TOKEN_EXPIRED')
  const late = found.over / 1000 - (issued + 4)
  assert.ok(late >= 1 && late < 4, `${late} s after exp`)
})

test('an entry in the watched file is in force without a signal, and gone when it is taken out', async () => {
  const c = await someone('listed')
  const all = everywhere(c)
  for (const one of all) await allowed(one)
  replace(file, JSON.stringify({ jti: c.claims.jti, reason: 'listed' }) + '\n')
  await inForce(all, { status: 401, code: 'token_revoked' })
  // A file that cannot be used leaves what it said in force.
  const from = w.process.log.length
  replace(file, '{"jti":')
  await until('the complaint', () => /revoked\.jsonl.*the last line has no end/.test(w.process.log.slice(from)))
  for (const one of all) refused(await one.get(DOCS), { status: 401, code: 'token_revoked' })
  replace(file, '\n')
  await until('it to be lifted', async () => (await all[0].get(DOCS)).status === 200)
  for (const one of all) one.close()
})

test('what was revoked by mistake is lifted', async () => {
  const c = await someone('mistaken')
  revoke('--subject', c.who.id)
  await inForce([c], { status: 401, code: 'token_revoked' })
  revoke('--subject', c.who.id, '--lift')
  await until('it to be lifted', async () => (await c.get(DOCS)).status === 200)
})

test('a revocation applies though the configuration is bad', async () => {
  const c = await someone('bad')
  await allowed(c)
  fs.writeFileSync(w.file, fs.readFileSync(w.file, 'utf8').replace('listener:', 'listner:'))
  assert.equal(await w.reload(), false)
  revoke('--subject', c.who.id)
  await inForce([c], { status: 401, code: 'token_revoked' })
  w.save()
  assert.ok(await w.reload())
  refused(await c.get(DOCS), { status: 401, code: 'token_revoked' })
})

test('a gateway that is killed and started again has forgotten nothing', async () => {
  const c = await someone('remembered')
  await allowed(c)
  revoke('--jti', c.claims.jti)
  await inForce([c], { status: 401, code: 'token_revoked' })
  const late = await someone('late')
  w.process.kill('SIGKILL')
  await w.process.ended
  revoke('--workload', late.who.id) // while no gateway runs
  await w.start()
  refused(await nothingReaches(shard, () => c.with({}).get(DOCS)), { status: 401, code: 'token_revoked' })
  refused(await nothingReaches(shard, () => late.with({}).get(DOCS)), { status: 403, code: 'certificate_revoked' })
  await allowed(await someone('bystander'))
})

test('a registry that is damaged leaves what it said in force, and /readyz says so', async () => {
  const c = await someone('damaged')
  revoke('--subject', c.who.id)
  await inForce([c], { status: 401, code: 'token_revoked' })
  fs.renameSync(store, `${store}.away`)
  await until('unreadiness', async () => (await w.metrics()).sallyport_ready === 0)
  refused(await c.get(DOCS), { status: 401, code: 'token_revoked' })
  fs.renameSync(`${store}.away`, store)
  await until('readiness', async () => (await w.metrics()).sallyport_ready === 1)
  refused(await c.get(DOCS), { status: 401, code: 'token_revoked' })
})

test('everything that was issued before now is revoked at once', async () => {
  const old = await someone('old')
  await allowed(old)
  const second = Math.floor(Date.now() / 1000)
  await until('the next second', () => Math.floor(Date.now() / 1000) > second)
  revoke('--issued-before', '+0s', '--issuer', w.issuer.iss)
  await inForce([old], { status: 401, code: 'token_revoked' })
  const moment = Math.floor(Date.now() / 1000) + 1
  await until('a later second', () => Date.now() / 1000 > moment)
  await allowed(await someone('new'))
})
