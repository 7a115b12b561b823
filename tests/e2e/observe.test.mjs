// SPDX-License-Identifier: GPL-3.0-or-later
// A database's users move behind the gateway: their habits go through while they are observed, each namespace until a day, and what would be
// refused is known before it is. With a real Chroma.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, test } from 'node:test'
import { Authority } from './lib/ca.mjs'
import { startChroma } from './lib/chroma.mjs'
import { Client } from './lib/client.mjs'
import { refused } from './lib/expect.mjs'
import { replace, sallyport, temporary, until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { command, dumpLogs, run } from './lib/program.mjs'

const DAY = 86400000
const day = ms => new Date(Date.now() + ms).toISOString().slice(0, 10)
const TENANT = '/api/v2/tenants/default_tenant/databases/default_database'
const TEAM_A = 'spiffe://example.org/ns/team-a/'
const OBSERVE = { workloads: TEAM_A, token: 'observe', policy: 'observe', until: day(7 * DAY) }
let w, chroma, setup, docs, faq

before(async () => {
  w = await World.make('observe', {
    shards: [{ name: 'one', api: 'chroma', endpoints: ['http://127.0.0.1:1'] }], routes: [{ shard: 'one' }],
    policies: '@id("setup")\npermit (principal == Workload::"spiffe://example.org/setup", action, resource);\n',
    change: { modes: [OBSERVE] }
  })
  chroma = await startChroma('one', w.folder)
  w.config.shards[0].endpoints = [chroma.url]
  w.config.revocations = { store: w.at('revoked.db') }
  w.save()
  await w.start()
  setup = await w.workload('setup')
  docs = (await made('docs')).id
  faq = (await made('faq')).id
})

after(async () => {
  dumpLogs(w?.process, chroma)
  await w?.stop()
  await chroma?.stop()
})

async function made(name) {
  const answer = await setup.post(`${TENANT}/collections`, { name })
  assert.equal(answer.status, 200, answer.text)
  await setup.post(`${TENANT}/collections/${answer.json.id}/upsert`, { ids: ['1'], embeddings: [[1, 0, 0]], documents: [name] })
  return answer.json
}

// A client as it was in front of the database: a certificate by now, an API key, and no idea of tokens.
async function habit(name) {
  const c = await w.workload(name)
  c.token = undefined
  return c
}
const KEY = { headers: { 'x-chroma-token': 'the-databases-own-key' } }
const search = (c, id = docs, options = KEY) => c.post(`${TENANT}/collections/${id}/query`, { query_embeddings: [[1, 0, 0]], n_results: 1 }, options)
const write = (c, id = docs) => c.post(`${TENANT}/collections/${id}/upsert`, { ids: ['2'], embeddings: [[0, 1, 0]], documents: ['two'] }, KEY)
const recordOf = answer => w.record(answer.headers['x-request-id'])
const set = async (modes, change = {}) => {
  w.config.modes = modes
  Object.assign(w.config, change)
  w.save()
  assert.ok(await w.reload(), w.process.log)
}

test('a workload without a token goes through under observe, and answer, record and metrics say so', async () => {
  const rag = await habit('ns/team-a/sa/rag')
  const answer = await search(rag)
  assert.equal(answer.status, 200, answer.text)
  assert.deepEqual(answer.json.documents, [['docs']])
  assert.equal(answer.headers['sallyport-observed'], 'token_missing, denied')
  const record = await recordOf(answer)
  assert.equal(record.decision, 'observed')
  assert.deepEqual(record.observed.map(o => [o.gate, o.code, o.rule]), [['token', 'token_missing', 'TOKEN_MISSING'], ['policy', 'denied', 'POLICY_NO_PERMIT']])
  assert.equal(record.subject, undefined)
  assert.deepEqual(record.inputs[0].context.token, { bound_to: 'nothing', roles: [], groups: [], scopes: [], claims: {} })
  const m = await w.metrics()
  assert.equal(m['sallyport_observed_total{gate="token",code="token_missing",reason="TOKEN_MISSING"}'], 1)
  assert.equal(m['sallyport_observed_total{gate="policy",code="denied",reason="POLICY_NO_PERMIT"}'], 1)
  assert.equal(m['sallyport_requests_total{decision="observed"}'], 1)
  assert.equal(m['sallyport_modes_observing{gate="token"}'], 1)
  assert.ok(m['sallyport_modes_until_timestamp_seconds{gate="policy"}'] > Date.now() / 1000 + 6 * 86400)
  assert.match(w.process.log, /gateway\.yaml:\d+:\d+: warning: OBSERVED, NOT ENFORCED until \S+: token gate and policy gate of spiffe:\/\/example\.org\/ns\/team-a\//)
  // Nobody else is observed, and who is allowed anyway is not bothered.
  refused(await search(await habit('ns/team-b/sa/rag')), { status: 401, code: 'token_missing' })
  const good = await search(setup)
  assert.equal(good.status, 200)
  assert.equal(good.headers['sallyport-observed'], undefined)
  assert.equal((await recordOf(good)).decision, 'allow')
})

test('a bad token is believed in nothing, and whose it was is in the record', async () => {
  const rag = await w.workload('ns/team-a/sa/rag')
  const other = await w.workload('ns/team-b/sa/rag')
  const stolen = rag.with({ token: other.token, keys: other.keys })
  const answer = await search(stolen, docs, {})
  assert.equal(answer.status, 200, answer.text)
  assert.match(answer.headers['sallyport-observed'], /^token_not_yours/)
  const record = await recordOf(answer)
  assert.equal(record.workload, 'spiffe://example.org/ns/team-a/sa/rag')
  assert.equal(record.jti, undefined)
  assert.ok(record.observed[0].jti)
  const forged = rag.with({ token: `${rag.token.slice(0, -6)}AAAAAA` })
  assert.match((await search(forged, docs, {})).headers['sallyport-observed'], /^token_invalid/)
})

test('in observe the certificate gate is closed, and so is what is no known request', async () => {
  const rag = await habit('ns/team-a/sa/rag')
  assert.notEqual(await new Client(w).handshake(), 'open')
  assert.notEqual(await new Client(w, new Authority(temporary('elsewhere'), 'example.org').issue('ns/team-a/sa/rag')).handshake(), 'open')
  const unknown = await rag.get('/api/v2/made-up')
  refused(unknown, { status: 403, code: 'api_unknown' })
  assert.equal(unknown.headers['sallyport-observed'], 'token_missing')
  assert.equal((await recordOf(unknown)).decision, 'deny')
  const twice = await rag.open()
  twice.send(`POST ${TENANT}/collections/${docs}/query HTTP/1.1\r\nHost: localhost:${w.port}\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`)
  assert.equal((await twice.response()).status, 400)
  await twice.closed
})

test('what was revoked stays refused in observe: a token, and the workload', async () => {
  const revoke = (...args) => command('token', 'revoke', '--store', w.at('revoked.db'), ...args)
  const rag = await w.workload('ns/team-a/sa/leaked', { mint: { claims: { sub: 'leaked-subject' } } })
  assert.equal((await search(rag, docs, {})).status, 200)
  fs.writeFileSync(w.at('token'), rag.token)
  revoke('--token', `@${w.at('token')}`)
  refused(await until('the revocation', async () => { const a = await search(rag, docs, {}); return a.status !== 200 && a }), { status: 401, code: 'token_revoked' })
  // Without the token the workload still is who it is; that is what revoking the workload is for.
  const bare = await habit('ns/team-a/sa/leaked')
  assert.equal((await search(bare)).status, 200)
  revoke('--workload', 'spiffe://example.org/ns/team-a/sa/leaked')
  const over = await until('the revocation', async () => { const a = await search(bare).catch(() => ({ status: 0 })); return a.status !== 200 && a })
  assert.ok(over.status === 0 || over.status >= 400)
})

test('each gate has a mode of its own, and each namespace', async () => {
  await set([{ ...OBSERVE, policy: 'enforce' }, { workloads: 'spiffe://example.org/ns/team-b/', policy: 'observe', until: day(DAY) }])
  const [a, b] = [await habit('ns/team-a/sa/rag'), await habit('ns/team-b/sa/rag')]
  const denied = await search(a)
  refused(denied, { status: 403, code: 'denied' })
  assert.equal(denied.headers['sallyport-observed'], 'token_missing')
  refused(await search(b), { status: 401, code: 'token_missing' })
  const withToken = await search(await w.workload('ns/team-b/sa/rag'), docs, {})
  assert.equal(withToken.status, 200, withToken.text)
  assert.equal(withToken.headers['sallyport-observed'], 'denied')
  // The listener's modes are for whom no rule names.
  await set([{ workloads: 'spiffe://example.org/ns/team-a/' }], { listener: { ...w.config.listener, modes: { token: 'observe', policy: 'observe', until: day(DAY) } } })
  refused(await search(a), { status: 401, code: 'token_missing' })
  assert.equal((await search(b)).status, 200)
  delete w.config.listener.modes
})

test('after its last day everything is enforced, without a reload', async () => {
  const soon = new Date(Date.now() + 4000).toISOString().replace(/\.\d+Z$/, 'Z')
  await set([{ ...OBSERVE, until: soon }])
  const rag = await habit('ns/team-a/sa/rag')
  const before = Date.now() < Date.parse(soon) - 500 ? await search(rag) : undefined
  if (before && Date.now() < Date.parse(soon)) assert.equal(before.status, 200, before.text)
  const over = await until('the end', async () => { const a = await search(rag); return a.status !== 200 && a }, 10000)
  assert.ok(Date.now() >= Date.parse(soon))
  refused(over, { status: 401, code: 'token_missing' })
  assert.equal((await w.metrics())['sallyport_modes_observing{gate="token"}'], 0)
  await until('the log to say so', () => /enforced again since \S+: token gate and policy gate of spiffe:\/\/example\.org\/ns\/team-a\//.test(w.process.log))
  // Without a day it is no configuration at all.
  w.config.modes = [{ ...OBSERVE, until: undefined }]
  w.save()
  assert.equal(await w.reload(), false)
  assert.match(w.process.log, /'observe' needs an end; write until:/)
  await set([OBSERVE])
})

test('a list shows what it would hide, and says so', async () => {
  await set([OBSERVE])
  const rag = await habit('ns/team-a/sa/rag')
  const list = await rag.get(`${TENANT}/collections`)
  assert.deepEqual(list.json.map(c => c.name).sort(), ['docs', 'faq'])
  assert.match(list.headers['sallyport-observed'], /denied/)
  const record = await recordOf(list)
  assert.equal(record.observed.find(o => o.gate === 'policy').hidden, 2)
})

// What this team's client does all day.
const day_ = async (c, options = KEY) => [
  await search(c, docs, options), await search(c, docs, options),
  await c.post(`${TENANT}/collections/${docs}/get`, { ids: ['1'] }, options),
  await c.post(`${TENANT}/collections/${faq}/upsert`, { ids: ['2'], embeddings: [[0, 1, 0]], documents: ['two'] }, options),
  await c.get(TENANT, options), await c.get('/api/v2/version', options)
]
const cli = (...args) => run(sallyport, args)

test('the walk: observe, report, suggest, enforce; the same traffic passes and other traffic is refused', async () => {
  const name = 'ns/team-a/sa/walk'
  const walker = await habit(name)
  await set([OBSERVE])
  for (const answer of await day_(walker)) {
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.headers['sallyport-observed'], 'token_missing, denied')
  }
  await until('the records', () => w.records().filter(r => r.kind === 'request' && r.workload === walker.who.id).length >= 6)

  // What enforcing would break.
  const bad = cli('report', 'observe', w.audit, '--workload', walker.who.id, '--json')
  assert.equal(bad.status, 1, bad.err)
  const report = JSON.parse(bad.out)
  assert.equal(report.would_be_refused, 6)
  const { findings } = report.workloads[0]
  assert.deepEqual(findings.map(f => [f.gate, f.code, f.action, f.resource, f.requests]).slice(0, 2),
    [['token', 'token_missing', undefined, undefined, 6], ['policy', 'denied', 'search', 'default_tenant/default_database/docs', 2]])
  assert.ok(findings.every(f => f.todo && f.first <= f.last && f.example))
  assert.match(cli('report', 'observe', w.audit).out, /enforcing would refuse \d+, and break \d+ workloads/)
  const later = cli('report', 'observe', w.audit, '--since', '2100-01-01')
  assert.deepEqual([later.status, /nothing is known/.test(later.err)], [0, true])

  // What it needs. The text is good by the shipped schema, and has its canonical layout.
  const records = w.records().filter(r => r.kind === 'request' && r.workload === walker.who.id)
  const own = w.at('own.jsonl'), suggested = w.at('suggested.cedar')
  fs.writeFileSync(own, records.map(r => `${JSON.stringify(r)}\n`).join(''))
  const suggestion = cli('policy', 'suggest', own, '--missing')
  assert.equal(suggestion.status, 0, suggestion.err)
  fs.writeFileSync(suggested, suggestion.out)
  command('policy', 'check', suggested)
  assert.equal(command('policy', 'format', suggested), suggestion.out)
  assert.match(suggestion.out, /permit \(\n {2}principal == Workload::"spiffe:\/\/example\.org\/ns\/team-a\/sa\/walk",\n {2}action == Action::"write",\n {2}resource == Collection::"default_tenant\/default_database\/faq"/)
  assert.ok(!suggestion.out.includes('Action::"readonly"'))
  const authorize = inputs => run(sallyport, ['policy', 'authorize', '--policies', suggested, '--gateway', '--request', '-'], { input: JSON.stringify(inputs) })
  const near = (record, change) => { const copy = structuredClone(record.inputs); change(copy[0]); return authorize(copy) }
  for (const record of records) {
    const again = authorize(record.inputs)
    assert.equal(again.status, 0, `${record.path}: ${again.out}${again.err}`)
    assert.equal(near(record, i => { i.action.id = 'drop'; delete i.entities }).status, 1)
    assert.equal(near(record, i => { i.principal.id += 'x'; delete i.entities }).status, 1)
    assert.equal(near(record, i => { i.resource.id += 'x'; delete i.entities }).status, 1)
  }
  // Neither thieves nor the refused are provided for.
  const everything = JSON.parse(cli('policy', 'suggest', w.audit, '--json').out)
  assert.ok(everything.passed_over.bad_tokens >= 2 && everything.passed_over.refused >= 1)
  assert.ok(everything.policies.every(p => p.requests.length > 0 && p.policy.startsWith('//')))

  // The policy gate is closed first, for whom has a permit; then the token gate, for whom has a token.
  const policies = fs.readFileSync(w.at('policy.cedar'), 'utf8')
  replace(w.at('policy.cedar'), `${policies}\n${suggestion.out}`)
  await set([{ ...OBSERVE, policy: 'enforce' }])
  for (const answer of await day_(walker)) {
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.headers['sallyport-observed'], 'token_missing')
  }
  await set([])
  const known = await w.workload(name)
  for (const answer of await day_(known, {})) {
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.headers['sallyport-observed'], undefined)
  }
  refused(await search(walker), { status: 401, code: 'token_missing' })
  const deleted = await known.post(`${TENANT}/collections/${docs}/delete`, { ids: ['1'] })
  refused(deleted, { status: 403, code: 'denied' })
  refused(await search(known, faq, {}), { status: 403, code: 'denied' })
  refused(await search(await w.workload('ns/team-a/sa/walker'), docs, {}), { status: 403, code: 'denied' })
  await recordOf(deleted)

  // A refusal can be understood by whoever is given its id.
  const id = deleted.headers['x-request-id']
  const why = cli('explain', id, '--audit', w.audit, '--config', w.file)
  assert.equal(why.status, 1, why.err)
  assert.match(why.out, /^refused, answered 403 denied at /)
  assert.match(why.out, /gate +policy\n {2}rule +POLICY_NO_PERMIT: no policy permits the request/)
  assert.match(why.out, /delete default_tenant\/default_database\/docs/)
  assert.match(why.out, /nearest to permitting:[^]*permit walk-reads-1[^]*action in \[Action::\"search\", Action::\"read\"\] {2}is false/)
  const told = JSON.parse(cli('explain', id, '--audit', w.audit, '--config', w.file, '--json').out)
  assert.deepEqual([told.refused.gate, told.refused.rule, told.policies[0].decision], ['policy', 'POLICY_NO_PERMIT', 'deny'])
  assert.equal(cli('explain', 'nobody', '--audit', w.audit).status, 2)
  // What was refused by the token gate was never asked of policies, and nothing of a credential is shown.
  const bare = await search(walker)
  await recordOf(bare)
  const token = cli('explain', bare.headers['x-request-id'], '--audit', w.audit)
  assert.match(token.out, /gate +token\n {2}rule +TOKEN_MISSING/)
  assert.ok(!token.out.includes('the-databases-own-key'))
  const since = new Date(Date.now() - 200).toISOString().slice(0, 19) + 'Z'
  await until('the next second', () => Date.now() > Date.parse(since) + 2000)
  await search(known, docs, {})
  const good = cli('report', 'observe', w.audit, '--workload', walker.who.id, '--since', new Date(Date.now() - 1000).toISOString().slice(0, 19) + 'Z')
  assert.equal(good.status, 0, good.out)
})
