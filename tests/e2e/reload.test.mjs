// SPDX-License-Identifier: GPL-3.0-or-later
// A gateway that runs while everything around it changes: configuration is taken whole or not at all, revocations always.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import fs from 'node:fs'
import { after, before, beforeEach, test } from 'node:test'
import { OpenSslAuthority } from './lib/ca.mjs'
import { Client } from './lib/client.mjs'
import { nothingReaches, refused } from './lib/expect.mjs'
import { replace, sallyport, until } from './lib/files.mjs'
import { OPEN, World } from './lib/gateway.mjs'
import { command, dumpLogs, run } from './lib/program.mjs'
import { boundToKey, prove } from './lib/token.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const FORBID = `${OPEN}\n@id("closed")\nforbid (principal, action, resource);\n`
let w, shard, client, partner, base

before(async () => {
  shard = await Upstream.start()
  w = await World.make('reload', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }] })
  partner = new OpenSslAuthority(w.folder, 'partner.example')
  fs.mkdirSync(w.at('policies'))
  fs.renameSync(w.at('policy.cedar'), w.at('policies/policy.cedar'))
  fs.copyFileSync(partner.bundle, w.at('partner.pem'))
  fs.writeFileSync(w.at('crl.pem'), w.ca.crl())
  w.config.policy.files = [w.at('policies')]
  w.config.trust_domains[0].crls = [w.at('crl.pem')]
  w.config.trust_domains.push({ name: 'partner.example', bundle: w.at('partner.pem') })
  w.config.issuers[0].asserts.trust_domains.push('partner.example')
  base = structuredClone(w.config)
  w.save()
  await w.start()
  client = await w.workload('client')
})

beforeEach(async () => {
  w.config = structuredClone(base)
  replace(w.at('policies/policy.cedar'), OPEN)
  w.save()
  assert.ok(await w.reload())
  shard.answer = undefined
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

const policy = text => replace(w.at('policies/policy.cedar'), text)
const allowed = async c => assert.equal((await c.get(DOCS)).status, 200)
const denied = async c => refused(await nothingReaches(shard, () => c.get(DOCS)), { status: 403, code: 'denied' })

// A configuration that cannot be taken up.
function spoil() {
  replace(w.file, fs.readFileSync(w.file, 'utf8').replace('listener:', 'listner:'))
}

test('a changed policy takes effect on SIGHUP, also on connections that are open', async () => {
  await allowed(client)
  policy(FORBID)
  assert.ok(await w.reload())
  await denied(client)
  policy(OPEN)
  assert.ok(await w.reload())
  await allowed(client)
})

test('a changed policy takes effect without a signal', async () => {
  policy(FORBID)
  assert.ok(await w.reload({ signal: false }))
  await denied(client)
})

test('a new policy file in the folder takes effect without a signal, and so does its removal', async () => {
  fs.writeFileSync(w.at('policies/closed.cedar'), 'forbid (principal, action, resource);\n')
  assert.ok(await w.reload({ signal: false }))
  await denied(client)
  fs.unlinkSync(w.at('policies/closed.cedar'))
  assert.ok(await w.reload({ signal: false }))
  await allowed(client)
})

test('a bad policy is refused with its place, and the old one stays', async () => {
  policy(FORBID)
  assert.ok(await w.reload())
  const from = w.process.log.length
  policy('permit (principal, action, resource)\nwhen { principal.trust_domain = "x" };\n')
  assert.equal(await w.reload(), false)
  await denied(client)
  assert.match(w.process.log.slice(from), /policies\/policy\.cedar:2:\d+: error: \S/)
  assert.match(w.process.log.slice(from), /SIGHUP: the configuration was refused/)
  const metrics = await w.metrics()
  assert.ok(metrics['sallyport_reloads_total{result="refused"}'] >= 1)
  policy('')
  fs.writeFileSync(w.at('entities.json'), '[{]')
  w.config.policy.entities = w.at('entities.json')
  w.save()
  assert.equal(await w.reload(), false, 'unreadable entities')
})

test('a policy that parses but does not fit the schema is refused with its place and advice, and the old one stays', async () => {
  policy(FORBID)
  assert.ok(await w.reload())
  const from = w.process.log.length
  policy(`${OPEN}permit (principal, action, resource)\nwhen { principal.paht like "/x" };\n`)
  assert.equal(await w.reload(), false)
  await denied(client)
  assert.match(w.process.log.slice(from), /policies\/policy\.cedar:4:\d+: error: Workload has no attribute 'paht'; did you mean 'path'\?/)
  w.config.policy.validate = false
  w.save()
  assert.ok(await w.reload(), 'whoever asks for it is not held to a schema')
  await allowed(client)
})

test('a policy that can never apply is a warning', async () => {
  const from = w.process.log.length
  policy(`${OPEN}\npermit (principal, action, resource) when { resource is Collection && resource is Server };\n`)
  assert.ok(await w.reload())
  assert.match(w.process.log.slice(from), /policies\/policy\.cedar:4:1: warning: the policy can never apply/)
})

test('a schema of our own is watched, and refuses entities that do not fit it', async () => {
  const schema = w.at('own.cedarschema'), shipped = command('policy', 'check', '--print-schema')
  fs.writeFileSync(schema, shipped.replace('team?: String,', 'team?: String,\n  rank?: Long,'))
  fs.writeFileSync(w.at('entities.json'), JSON.stringify([{ uid: { type: 'Workload', id: client.who.id }, attrs: { rank: 1 }, parents: [] }]))
  policy(`${OPEN}\nforbid (principal, action, resource) unless { principal has rank && principal.rank > 0 };\n`)
  Object.assign(w.config.policy, { schema: [schema], entities: w.at('entities.json') })
  w.save()
  assert.ok(await w.reload())
  await allowed(client)
  const from = w.process.log.length
  replace(schema, shipped)
  assert.equal(await w.reload({ signal: false }), false)
  assert.match(w.process.log.slice(from), /entities\.json:1:\d+: error: Workload::"[^"]+"\.rank: not declared in the schema/)
  await allowed(client)
})

test('links make templates policies, and a link that is taken away takes its policy away', async () => {
  const links = (...all) => replace(w.at('links.json'), JSON.stringify(all.map(([id, who]) => ({ templateId: 'may', newId: id, values: { '?principal': { __entity: { type: 'Workload', id: who } } } }))))
  policy('@id("may")\npermit (principal == ?principal, action in Action::"readonly", resource);\n')
  links(['ours', client.who.id], ['theirs', 'spiffe://example.org/other'])
  w.config.policy.links = [w.at('links.json')]
  w.save()
  assert.ok(await w.reload())
  const answer = await client.get(DOCS)
  assert.equal(answer.status, 200)
  assert.deepEqual((await w.record(answer.headers['x-request-id'])).policies, ['ours'])
  links(['theirs', 'spiffe://example.org/other'])
  assert.ok(await w.reload({ signal: false }))
  await denied(client)
  links()
  assert.equal(await w.reload({ signal: false }), false, 'a template that nothing links does nothing')
})

test('the policies of a team are confined to what it owns', async () => {
  const TEAM = 'Namespace::"team-a"'
  fs.writeFileSync(w.at('entities.json'), JSON.stringify([{ uid: { type: 'Collection', id: 'docs' }, attrs: {}, parents: [{ type: 'Namespace', id: 'team-a' }] }]))
  fs.mkdirSync(w.at('team-a'), { recursive: true })
  const team = text => replace(w.at('team-a/rules.cedar'), text)
  team(`permit (principal, action in Action::"readonly", resource in ${TEAM});\n`)
  w.config.policy = { entities: w.at('entities.json'), owners: [{ name: 'team-a', files: [w.at('team-a')], scope: TEAM }] }
  w.save()
  assert.ok(await w.reload())
  await allowed(client)
  refused(await client.get('/collections/payroll'), { status: 403, code: 'denied' })
  const from = w.process.log.length
  team('permit (principal, action in Action::"readonly", resource);\n')
  assert.equal(await w.reload({ signal: false }), false)
  assert.match(w.process.log.slice(from), /team-a\/rules\.cedar:1:1: error: policies of team-a may only speak of what is in Namespace::"team-a"; write `resource in Namespace::"team-a"`/)
  refused(await client.get('/collections/payroll'), { status: 403, code: 'denied' })
  const check = run(sallyport, ['check', '--config', w.file])
  assert.equal(check.status, 1)
  assert.match(check.out + check.err, /rules\.cedar:1:1: error: policies of team-a/)
  assert.match(run(sallyport, ['policy', 'check', '--config', w.file]).out, /rules\.cedar:1:1: error: policies of team-a/)
})

test('a bad configuration is refused with its place and advice, and the old one stays', async () => {
  const from = w.process.log.length
  spoil()
  assert.equal(await w.reload(), false)
  assert.match(w.process.log.slice(from), /gateway\.yaml:1:1: error: .*'listner'.*'listener'/)
  await allowed(client)
  assert.equal((await w.metrics()).sallyport_ready, 1)
})

test('a revocation applies though the configuration is bad', async () => {
  const who = w.ca.issue('client', { out: 'revoked' })
  const revoked = await w.workload('client', { who })
  await allowed(revoked)
  spoil()
  w.ca.revoke(who)
  replace(w.at('crl.pem'), w.ca.crl())
  assert.equal(await w.reload(), false)
  refused(await nothingReaches(shard, () => revoked.get(DOCS)), { status: 403, code: 'certificate_revoked' })
  await allowed(client)
})

test('a CRL that is not readable leaves the last good one in force', async () => {
  const who = w.ca.issue('client', { out: 'revoked-2' })
  const revoked = await w.workload('client', { who })
  await allowed(revoked)
  w.ca.revoke(who)
  replace(w.at('crl.pem'), w.ca.crl())
  assert.ok(await w.reload())
  const crl = fs.readFileSync(w.at('crl.pem'))
  replace(w.at('crl.pem'), 'not a CRL')
  await w.reload()
  refused(await nothingReaches(shard, () => revoked.get(DOCS)), { status: 403, code: 'certificate_revoked' })
  assert.notEqual(await revoked.handshake(), 'open')
  replace(w.at('crl.pem'), crl)
})

test('a configuration whose CRL was never readable is refused, and the CRL of the old one counts on', async () => {
  const who = w.ca.issue('client', { out: 'revoked-3' })
  const revoked = await w.workload('client', { who })
  await allowed(revoked)
  w.ca.revoke(who)
  replace(w.at('crl.pem'), w.ca.crl())
  assert.ok(await w.reload())
  const from = w.process.log.length
  w.config.trust_domains[0].crls = [w.at('moved-crl.pem')]
  w.save()
  assert.equal(await w.reload(), false, 'the file is not there')
  refused(await nothingReaches(shard, () => revoked.get(DOCS)), { status: 403, code: 'certificate_revoked' })
  assert.match(w.process.log.slice(from), /moved-crl\.pem: No such file/)
  replace(w.at('moved-crl.pem'), 'not a CRL')
  assert.equal(await w.reload(), false, 'the file is no CRL')
  assert.notEqual(await revoked.handshake(), 'open')
  fs.copyFileSync(w.at('crl.pem'), w.at('moved-crl.pem'))
  assert.ok(await w.reload())
  assert.notEqual(await revoked.handshake(), 'open')
  await allowed(client)
})

test('a removed signing key ends its tokens though the configuration is bad', async () => {
  const old = w.issuer.keys[0]
  await w.issuer.rotate()
  assert.ok(await w.reload())
  await allowed(client)
  const fresh = client.with({ token: await w.issuer.mint({ workload: client.who.id, cnf: await boundToKey(client.keys) }) })
  await allowed(fresh)
  spoil()
  w.issuer.forget(old.jwk.kid)
  assert.equal(await w.reload(), false)
  refused(await nothingReaches(shard, () => client.get(DOCS)), { status: 401, code: 'token_revoked' })
  await allowed(fresh)
  fresh.close()
  client.token = fresh.token
})

test('a removed CA ends the connections it vouched for though the configuration is bad', async () => {
  const foreign = await w.workload('search', { who: partner.issue('search') })
  await allowed(foreign)
  spoil()
  const another = new OpenSslAuthority(w.at('ca-example.org'), 'partner.example')
  replace(w.at('partner.pem'), another.bundlePem)
  assert.equal(await w.reload(), false)
  const answer = await nothingReaches(shard, () => foreign.get(DOCS))
  refused(answer, { status: 403, code: 'certificate_revoked' })
  assert.equal(answer.headers.connection, 'close')
  assert.notEqual(await foreign.handshake(), 'open')
  await allowed(client)
})

test('rule 16: a proof used before a reload is a replay after it', async () => {
  const dpop = await prove(client.keys, { url: client.origin + DOCS, method: 'GET', token: client.token })
  assert.equal((await client.get(DOCS, { headers: { dpop } })).status, 200)
  policy(FORBID)
  assert.ok(await w.reload())
  policy(OPEN)
  assert.ok(await w.reload())
  refused(await nothingReaches(shard, () => client.get(DOCS, { headers: { dpop } })), { status: 401, code: 'proof_replayed' })
})

test('the gateway\'s certificate is swapped without dropping a connection', async () => {
  const kept = client.with({})
  const socket = (await kept.get(DOCS)).socket
  const serial = async () => {
    const raw = await client.open()
    const found = raw.socket.getPeerCertificate().serialNumber
    raw.close()
    return found
  }
  const before = await serial()
  const next = w.ca.issue('gateway', { dns: ['localhost'] }) // over the same files
  assert.ok(await w.reload())
  assert.equal(await serial(), new X509Certificate(next.certPem).serialNumber)
  assert.notEqual(await serial(), before)
  const again = await kept.get(DOCS)
  assert.equal(again.status, 200)
  assert.equal(again.socket, socket, 'the connection is the same')
  kept.close()
})

test('a certificate that does not fit its key is not taken up', async () => {
  const other = w.ca.issue('gateway', { dns: ['localhost'], out: 'gateway-2' })
  w.config.listener.tls.certificate = other.cert
  w.save()
  const from = w.process.log.length
  assert.equal(await w.reload(), false)
  assert.match(w.process.log.slice(from), /error: the key is not that of the certificate in .*gateway-2\/cert\.pem/)
  await allowed(client)
})

test('what only a start can change is said', async () => {
  w.config.loops = 1
  w.save()
  const from = w.process.log.length
  assert.ok(await w.reload())
  assert.match(w.process.log.slice(from), /loops changed; it takes effect at the next start/)
})

test('SIGTERM drains: what is under way ends, new connections are refused, the process ends with 0', async () => {
  const idle = await client.open()
  let answer
  shard.answer = (r, socket) => { answer = () => socket.write(json('{"late":true}')) }
  const slow = client.get(DOCS)
  await until('the request at the shard', () => answer)
  const started = Date.now()
  w.process.kill('SIGTERM')
  await until('the listener to close', () => new Client(w, client.who).handshake().then(r => r === 'ECONNREFUSED'))
  await idle.closed
  assert.ok(!w.process.over)
  answer()
  const response = await slow
  assert.deepEqual(response.json, { late: true })
  assert.equal(response.headers.connection, 'close')
  await w.process.ended
  assert.deepEqual([w.process.code, w.process.signal], [0, null], w.process.log.slice(-500))
  assert.ok(Date.now() - started < 10000)
})
