// SPDX-License-Identifier: GPL-3.0-or-later
// What an operator meets: health and metrics, `check`, and a gateway that does not start on something it cannot serve.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { OpenSslAuthority } from './lib/ca.mjs'
import { plain } from './lib/client.mjs'
import { replace, sallyport } from './lib/files.mjs'
import { merge, World } from './lib/gateway.mjs'
import { dumpLogs, run } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
let w, shard, client, base

before(async () => {
  shard = await Upstream.start()
  w = await World.make('operations', { shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }] })
  base = structuredClone(w.config)
  await w.start()
  client = await w.workload('client')
})

beforeEach(() => {
  w.config = structuredClone(base)
  w.save()
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

// ------------------------------------------------------------------------------------------- the plain listener

test('/healthz, /readyz and /metrics answer, and nothing else does', async () => {
  assert.deepEqual([(await plain(w.operations, '/healthz')).text, (await plain(w.operations, '/readyz')).text], ['ok\n', 'ready\n'])
  for (const path of ['/', '/metrics/', '/healthz/../metrics', '/config', '/collections', '/admin', '/debug/pprof', DOCS]) {
    assert.ok([400, 404].includes((await plain(w.operations, path)).status), path)
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) assert.ok([405, 501].includes((await plain(w.operations, '/metrics', { method })).status), method)
  const head = await plain(w.operations, '/metrics', { method: 'HEAD' })
  assert.deepEqual([head.status, head.text], [200, ''])
})

test('metrics are in Prometheus\' text format and count what happens', async () => {
  const before = await w.metrics()
  await client.get(DOCS)
  await client.get('/nowhere')
  await client.get(DOCS, { headers: { dpop: undefined } })
  const after = await w.metrics()
  const grown = name => after[name] - (before[name] ?? 0)
  assert.equal(grown('sallyport_refusals_total{reason="API_UNKNOWN"}'), 1)
  assert.equal(grown('sallyport_refusals_total{reason="PROOF_MISSING"}'), 1)
  assert.equal(grown('sallyport_request_duration_seconds_count'), 3)
  assert.ok(after.sallyport_certificate_expiry_timestamp_seconds > Date.now() / 1000)
  assert.equal(after.sallyport_loops, 2)
  assert.equal(after.sallyport_ready, 1)
  const { text, headers } = await plain(w.operations, '/metrics')
  assert.match(headers['content-type'], /^text\/plain; version=0\.0\.4/)
  const known = new Set()
  for (const line of text.trimEnd().split('\n')) {
    const declared = line.match(/^# TYPE (\w+) (counter|gauge|histogram)$/)
    if (declared) {
      assert.ok(!known.has(declared[1]), `${declared[1]} is declared once`)
      known.add(declared[1])
    } else if (!line.startsWith('# HELP ')) {
      const sample = line.match(/^([a-zA-Z_:][\w:]*?)(_bucket|_sum|_count)?(\{\w+="[^"\n]*"(,\w+="[^"\n]*")*\})? -?[\d.e+]+$/)
      assert.ok(sample && (known.has(sample[1]) || known.has(sample[1] + (sample[2] ?? ''))), line)
    }
  }
})

test('the plain listener does not speak for ever with who says nothing', async () => {
  const socket = net.connect(w.operations, '127.0.0.1')
  const ended = new Promise(resolve => socket.on('close', resolve).on('error', () => {}))
  socket.resume()
  socket.write('GET /healthz')
  await ended
})

// -------------------------------------------------------------------------------------------------------- check

const check = (file = w.file) => run(sallyport, ['check', '--config', file])

function checked(change, pattern, { status = 1, text } = {}) {
  w.config = merge(structuredClone(base), change)
  if (text) replace(w.file, text(fs.readFileSync(w.file, 'utf8')))
  else w.save()
  const result = check()
  assert.equal(result.status, status, result.out + result.err)
  assert.match(result.out + result.err, pattern)
}

test('check: a good configuration is 0', () => {
  const result = check()
  assert.equal(result.status, 0, result.out + result.err)
  assert.match(result.out, /ok.*1 trust domain, 1 issuer, 1 shard/)
})

test('check: a route that no request reaches is warned of, one of another database is not', () => {
  const two = [...base.shards, { name: 'two', api: 'chroma', endpoints: ['http://127.0.0.1:1'] }]
  checked({ shards: two, routes: [{ shard: 'one' }, { shard: 'two' }] }, /0 warnings/, { status: 0 })
  checked({ shards: two, routes: [{ shard: 'one' }, { shard: 'two' }, { collection: 'docs', shard: 'one' }] },
    /gateway\.yaml:\d+:\d+: warning: never reached: the route in line \d+ matches everything/, { status: 0 })
})

test('check: every fault has its place and an advice', async t => {
  const expired = new OpenSslAuthority(w.folder, 'old.example').issue('gateway', { dns: ['localhost'], not: [new Date(Date.now() - 7200000), new Date(Date.now() - 3600000)] })
  const other = w.ca.issue('other', { dns: ['localhost'] })
  const cases = {
    'an unknown key': [{}, /gateway\.yaml:\d+:\d+: error: unknown key 'listner'; did you mean 'listener'\?/, { text: y => y.replace('listener:', 'listner:') }],
    'a repeated key': [{}, /gateway\.yaml:\d+:1: error: .*loops/, { text: y => `${y}loops: 3\n` }],
    'a wrong type': [{ loops: 'many' }, /gateway\.yaml:\d+:\d+: error: .*loops/],
    'a value out of range': [{ dpop: { past: '3h' } }, /gateway\.yaml:\d+:\d+: error: .*past/],
    'a unit that is none': [{ listener: { limits: { body_bytes: '5 apples' } } }, /gateway\.yaml:\d+:\d+: error: .*body_bytes/],
    'a choice that is none': [{ audit: { sync: 'sometimes' } }, /gateway\.yaml:\d+:\d+: error: .*sync.*batch/],
    'a route to no shard': [{ routes: [{ shard: 'onne' }] }, /gateway\.yaml:\d+:\d+: error: no shard is called 'onne'; did you mean 'one'\?/],
    'no YAML': [{}, /gateway\.yaml:\d+:\d+: error/, { text: () => 'listener: [\n' }],
    'a missing file': [{ listener: { tls: { certificate: w.at('nothing.pem') } } }, /gateway\.yaml:\d+:\d+: error: .*nothing\.pem: No such file/],
    'an expired certificate': [{ listener: { tls: { certificate: expired.cert, key: expired.key } } }, /gateway\.pem.*error: .*expired/],
    'a key of another certificate': [{ listener: { tls: { key: other.key } } }, /error: the key is not that of the certificate/],
    'a key that is none': [{ listener: { tls: { key: w.server.cert } } }, /cert\.pem.*error/],
    'a bundle without a CA': [{ trust_domains: [{ name: 'example.org', bundle: w.server.key }] }, /key\.pem.*error/],
    'an empty key set': [{ issuers: [{ ...base.issuers[0], jwks: w.at('empty.json') }] }, /empty\.json.*error/],
    'a policy with a fault': [{ policy: { files: [w.at('bad.cedar')] } }, /bad\.cedar:2:\d+: error/],
    'a policy with an annotation that is not enforced': [{ policy: { files: [w.at('filter.cedar')] } }, /filter\.cedar:1:\d+: error: .*filter/],
    'no policy at all': [{ policy: { files: [w.at('nothing/*.cedar')] } }, /gateway\.yaml:\d+:\d+: error/],
    'an unbound binding that nobody allowed': [{ issuers: [{ ...base.issuers[0], binding: 'none' }] }, /gateway\.yaml:\d+:\d+: error: binding: none.*unbound_bearer/]
  }
  fs.writeFileSync(w.at('empty.json'), '{"keys":[]}')
  fs.writeFileSync(w.at('bad.cedar'), 'permit (principal, action, resource)\nwhen { principal. };\n')
  fs.writeFileSync(w.at('filter.cedar'), '@filter("tenant") permit (principal, action, resource);\n')
  for (const [name, args] of Object.entries(cases)) await t.test(name, () => checked(...args))
})

test('check: every fault is told at once', () => {
  w.config = merge(structuredClone(base), { loops: 'many', dpop: { past: '3h' }, routes: [{ shard: 'nobody' }] })
  w.save()
  assert.equal((check().out.match(/: error: /g) ?? []).length, 3)
})

test('check: a file that is not there is told, and bad usage is 2', () => {
  const missing = check(w.at('none.yaml'))
  assert.ok([1, 2].includes(missing.status))
  assert.match(missing.out + missing.err, /none\.yaml.*No such file/)
  assert.equal(run(sallyport, ['check']).status, 2)
  assert.equal(run(sallyport, ['check', '--confg', 'x']).status, 2)
})

test('check: --json has the same in fields', () => {
  w.config.loops = 'many'
  w.save()
  const result = run(sallyport, ['check', '--json', '--config', w.file])
  assert.equal(result.status, 1)
  const answer = JSON.parse(result.out)
  assert.equal(answer.ok, false)
  assert.equal(answer.errors, 1)
  const [d] = answer.diagnostics
  assert.equal(d.severity, 'error')
  assert.ok(d.line > 1 && d.column > 1 && d.file === w.file)
})

// ---------------------------------------------------------------------------------------------------------- run

const starts = () => run(sallyport, ['run', '--config', w.file], { timeout: 10000 })

test('run refuses to start on what check refuses, with the same words', () => {
  w.config.loops = 'many'
  w.save()
  const refusal = starts()
  assert.ok(refusal.status > 0, 'it ended by itself')
  const said = check().out.split('\n')[0].replace(/^.*error: /, '')
  assert.ok(refusal.err.includes(said), `${refusal.err} has ${said}`)
})

test('run says which address is busy', () => {
  w.config.operations.listen = `127.0.0.1:${shard.port}`
  const busy = starts() // the gateway of this file has the listener's
  assert.equal(busy.status, 1)
  assert.match(busy.err, new RegExp(`gateway\\.yaml:\\d+:\\d+: error: .*127\\.0\\.0\\.1:(${w.port}|${w.operations}).*in use`))
})

test('run says that the audit file cannot be opened', async () => {
  w.config = merge(w.config, { listener: { addresses: ['127.0.0.1:0'] }, operations: { enabled: false }, audit: { file: `${w.folder}/no-folder/audit.jsonl` } })
  w.save()
  const refusal = starts()
  assert.equal(refusal.status, 1)
  assert.match(refusal.err, /gateway\.yaml:\d+:\d+: error: .*no-folder\/audit\.jsonl: No such file/)
})

test('the gateway of this file did not mind any of it', async () => {
  await w.reload()
  assert.equal((await client.get(DOCS)).status, 200)
})

test('json logs are JSON, line by line', async () => {
  await w.process.stop()
  w.config.log = { level: 'debug', format: 'json' }
  w.save()
  await w.start()
  w.process.kill('SIGHUP')
  await w.process.stop()
  const lines = w.process.log.trimEnd().split('\n')
  assert.ok(lines.length > 1)
  for (const line of lines) JSON.parse(line)
})
