// SPDX-License-Identifier: GPL-3.0-or-later
// A request is one step of a trace: the caller's context is continued to the shard, the collector gets the gateway's spans, and no collector, slow, broken or gone,
// is in a request's way.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import { after, before, test } from 'node:test'
import { sallyport, until } from './lib/files.mjs'
import { World, yaml } from './lib/gateway.mjs'
import { dumpLogs, run } from './lib/program.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const SEARCH = `${DOCS}/points/search`
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const CALLER = '00f067aa0ba902b7'
const parent = (trace = TRACE, flags = '01') => `00-${trace}-${CALLER}-${flags}`

// What a collector is sent, span by span.
class Collector {
  static async start() {
    const c = Object.assign(new Collector(), { bodies: [], spans: [], heads: [], status: 200, delay: 0 })
    c.server = http.createServer((request, response) => {
      const pieces = []
      request.on('data', d => pieces.push(d)).on('end', () => {
        c.heads.push({ method: request.method, url: request.url, ...request.headers })
        const status = c.status
        if (status === 200) {
          const body = JSON.parse(Buffer.concat(pieces))
          c.bodies.push(body)
          for (const r of body.resourceSpans) for (const s of r.scopeSpans) c.spans.push(...s.spans)
        }
        response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
      })
    })
    await new Promise(resolve => c.server.listen(0, '127.0.0.1', resolve))
    c.port = c.server.address().port
    return c
  }

  of(trace, kind) {
    return until(`a span of ${trace}`, () => this.spans.find(s => s.traceId === trace && s.kind === kind), 10000)
  }

  stop() {
    this.server.closeAllConnections()
    return new Promise(resolve => this.server.close(resolve))
  }
}

const attributes = span => Object.fromEntries(span.attributes.map(a => [a.key, a.value.stringValue ?? Number(a.value.intValue)]))
const trace = n => n.toString(16).padStart(32, 'a')

let w, shard, client, collector

before(async () => {
  shard = await Upstream.start()
  collector = await Collector.start()
  w = await World.make('tracing', {
    shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }],
    routes: [{ shard: 'one' }],
    policies: '@id("most")\npermit (principal, action, resource) unless { resource has name && resource.name == "secret" };\n',
    change: { tracing: { otlp: { url: `http://127.0.0.1:${collector.port}/v1/traces` } } }
  })
  fs.writeFileSync(w.at('headers'), 'api-key: s3cret\nx-team: search\n', { mode: 0o600 })
  w.config.tracing.otlp.headers_file = w.at('headers')
  w.save()
  await w.start()
  client = await w.workload('client')
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
  await collector?.stop()
})

// ---------------------------------------------------------------------------------------------------------- the context

test('the shard is told of the gateway\'s span, in the caller\'s trace', async () => {
  const answer = await client.post(`${SEARCH}?consistency=1`, { vector: [1], limit: 1 }, { headers: { traceparent: parent(), tracestate: 'rojo=1, congo=t61rcWkgMzE' } })
  assert.equal(answer.status, 200)
  const [, id, span, flags] = shard.last.get('traceparent').split('-')
  assert.deepEqual([id, flags], [TRACE, '01'])
  assert.notEqual(span, CALLER)
  assert.equal(shard.last.get('tracestate'), 'rojo=1, congo=t61rcWkgMzE')
  const server = await collector.of(TRACE, 2)
  const up = await collector.of(TRACE, 3)
  assert.equal(server.parentSpanId, CALLER)
  assert.equal(server.traceState, 'rojo=1, congo=t61rcWkgMzE')
  assert.deepEqual([up.parentSpanId, up.spanId], [server.spanId, span])
  assert.ok(BigInt(server.startTimeUnixNano) <= BigInt(up.startTimeUnixNano) && BigInt(up.startTimeUnixNano) < BigInt(up.endTimeUnixNano))
  assert.ok(BigInt(up.endTimeUnixNano) <= BigInt(server.endTimeUnixNano) && Math.abs(Number(BigInt(server.endTimeUnixNano) / 1000000n) - Date.now()) < 60000)
  const a = attributes(server)
  assert.equal(a['sallyport.request_id'], answer.headers['x-request-id'])
  assert.equal(a['http.request.method'], 'POST')
  assert.equal(a['url.path'], SEARCH)
  assert.equal(a['http.response.status_code'], 200)
  assert.equal(a['sallyport.decision'], 'allow')
  assert.equal(a['sallyport.workload'], client.who.id)
  assert.equal(a['server.port'], w.port)
  const b = attributes(up)
  assert.deepEqual([b['db.system.name'], b['db.collection.name'], b['sallyport.shard'], b['server.address'], b['server.port']],
    ['qdrant', 'docs', 'one', '127.0.0.1', shard.port])
  assert.equal((await w.record(answer.headers['x-request-id'])).trace_id, TRACE)
})

test('the collector gets JSON with its header fields, and nothing that is a secret', async () => {
  assert.deepEqual(collector.heads.map(h => [h.method, h.url, h['content-type'], h['api-key'], h['x-team']])[0],
    ['POST', '/v1/traces', 'application/json', 's3cret', 'search'])
  const resource = attributes(collector.bodies[0].resourceSpans[0].resource)
  assert.deepEqual([resource['service.name'], resource['service.instance.id'].length], ['sallyport', 32])
  const text = JSON.stringify(collector.bodies)
  for (const secret of [client.token, 's3cret', 'consistency', 'eyJ']) assert.ok(!text.includes(secret), secret)
})

test('a malformed context begins a new trace, and takes its tracestate along', async () => {
  for (const bad of ['00-short', parent('0'.repeat(32)), parent().toUpperCase(), `${parent()}-more`, [parent(), parent()]]) {
    await client.get(DOCS, { headers: { traceparent: bad, tracestate: 'a=1' } })
    const [version, id, , flags] = shard.last.get('traceparent').split('-')
    assert.deepEqual([version, flags], ['00', '02'], String(bad))
    assert.notEqual(id, TRACE)
    assert.equal(shard.last.get('tracestate'), undefined)
  }
})

test('who did not want a span has none, and its trace goes on', async () => {
  await client.get(DOCS, { headers: { traceparent: parent(trace(1), '00'), tracestate: 'not a list' } })
  assert.match(shard.last.get('traceparent'), new RegExp(`^00-${trace(1)}-[0-9a-f]{16}-00$`))
  assert.equal(shard.last.get('tracestate'), undefined)
  await client.get(DOCS, { headers: { traceparent: parent(trace(2)) } })
  await collector.of(trace(2), 3)
  assert.ok(!collector.spans.some(s => s.traceId === trace(1)))
})

test('a refusal is a span of its own, and no fault of the gateway', async () => {
  const answer = await client.get('/collections/secret', { headers: { traceparent: parent(trace(3)) } })
  assert.equal(answer.status, 403)
  const server = await collector.of(trace(3), 2)
  const a = attributes(server)
  assert.deepEqual([a['sallyport.decision'], a['http.response.status_code'], server.status], ['deny', 403, undefined])
  assert.ok(a['error.type'].startsWith('POLICY'), a['error.type'])
  assert.ok(!collector.spans.some(s => s.traceId === trace(3) && s.kind === 3))
})

test('a shard that fails is an error in both', async () => {
  shard.answer = () => 'HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n'
  await client.get(DOCS, { headers: { traceparent: parent(trace(4)) } })
  shard.answer = undefined
  assert.equal((await collector.of(trace(4), 2)).status.code, 2)
  assert.equal((await collector.of(trace(4), 3)).status.code, 2)
})

test('several shards are asked in the same trace', async () => {
  await client.get('/collections', { headers: { traceparent: parent(trace(5)) } })
  const up = await collector.of(trace(5), 3)
  assert.equal(shard.last.get('traceparent'), `00-${trace(5)}-${up.spanId}-01`)
})

// -------------------------------------------------------------------------------------------------------- the collector

test('a collector that is busy is asked again, and loses nothing', async () => {
  collector.status = 503
  const before = collector.heads.length
  await client.get(DOCS, { headers: { traceparent: parent(trace(6)) } })
  await until('a try', () => collector.heads.length > before)
  collector.status = 200
  await collector.of(trace(6), 2)
  assert.equal((await w.metrics())['sallyport_trace_spans_exported_total{result="failed"}'], 0)
})

test('what a collector will not have is dropped and counted', async () => {
  const before = collector.heads.length
  collector.status = 400
  await client.get(DOCS, { headers: { traceparent: parent(trace(7)) } })
  await until('the count', async () => (await w.metrics())['sallyport_trace_spans_exported_total{result="failed"}'] === 2)
  collector.status = 200
  assert.equal(collector.heads.length, before + 1)
  assert.match(w.process.log, /the collector did not take spans: it answered with 400/)
  await client.get(DOCS, { headers: { traceparent: parent(trace(8)) } })
  await collector.of(trace(8), 2)
})

test('without room spans are dropped and counted, and requests are served', async () => {
  collector.status = 503
  for (let i = 0; ; i++) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.post(SEARCH, { vector: [1], limit: 1 }, { headers: { traceparent: parent(trace(9)), tracestate: `k=${'v'.repeat(250)},l=${'v'.repeat(240)}` } })))
    assert.deepEqual([...new Set(answers.map(a => a.status))], [200])
    if ((await w.metrics())['sallyport_trace_spans_total{result="dropped"}'] > 0) break
    assert.ok(i < 200, 'the ring is never full')
  }
  collector.status = 200
  await collector.of(trace(9), 2)
})

test('a reload changes the share of new traces; without tracing the caller\'s context goes through as it came', async () => {
  w.config.tracing.sample = '1'
  w.save()
  assert.ok(await w.reload())
  const answer = await client.get(DOCS)
  const { trace_id: id } = await w.record(answer.headers['x-request-id'])
  assert.equal(shard.last.get('traceparent').split('-')[3], '03')
  const server = await collector.of(id, 2)
  assert.equal(server.parentSpanId, undefined)
  const { tracing, ...rest } = w.config
  w.config = rest
  w.save()
  assert.ok(await w.reload())
  await client.get(DOCS, { headers: { traceparent: parent(), tracestate: 'a=1' } })
  assert.deepEqual([shard.last.get('traceparent'), shard.last.get('tracestate')], [parent(), 'a=1'])
  const odd = await client.get(DOCS, { headers: { traceparent: 'nonsense', tracestate: 'a=1' } })
  assert.deepEqual([shard.last.get('traceparent'), shard.last.get('tracestate')], [undefined, undefined])
  assert.equal((await w.record(odd.headers['x-request-id'])).trace_id, undefined)
  w.config = { ...rest, tracing }
  w.save()
  assert.ok(await w.reload())
})

test('check: what is wrong with tracing has its place and an advice, and shows no secret', () => {
  const faults = (change, headers = 'a: b\n') => {
    fs.writeFileSync(w.at('other'), headers)
    fs.writeFileSync(w.at('check.yaml'), yaml({ ...w.config, tracing: { otlp: { ...w.config.tracing.otlp, headers_file: w.at('other'), ...change.otlp }, ...change.top } }).trimStart())
    const { status, out, err } = run(sallyport, ['check', '--config', w.at('check.yaml')])
    assert.ok(!(out + err).includes('s3cret'))
    return status === 0 ? '' : out + err
  }
  assert.equal(faults({}), '')
  assert.match(faults({ top: { sample: '5%' } }), /a share is expected, 0 to 1/)
  assert.match(faults({ otlp: { url: 'http://collector.example.org/v1/traces' } }), /error/)
  for (const bad of ['no colon s3cret\n', 'A: s3cret\n', 'host: s3cret\n', 'a: b\n: s3cret\n', 'a: b\n'.repeat(9), 'a: \x01s3cret\n']) {
    assert.match(faults({}, bad), /other: line \d: `name: value` is expected/, bad)
  }
})

test('SIGUSR2 turns the log\'s level up to debug, and back', async () => {
  w.config.log.level = 'warn'
  w.save()
  assert.ok(await w.reload())
  w.process.kill('SIGUSR2')
  await until('debug', () => /the log's level is debug, until SIGUSR2/.test(w.process.log))
  w.process.kill('SIGUSR2')
  await until('warn', () => /the log's level is warn again/.test(w.process.log))
})

test('at the end what is left is sent', async () => {
  await client.get(DOCS, { headers: { traceparent: parent(trace(10)) } })
  await w.stop()
  await collector.of(trace(10), 2)
})
