// SPDX-License-Identifier: GPL-3.0-or-later
// What one request costs in `sallyport connect`: CPU time of its process, between a client that sends plain HTTP on kept connections and a real
// gateway with a shard that costs next to nothing; and its memory at rest afterwards. With --perf FILE also a profile, which says how much of it
// is signing and TLS.
//
//   node bench/connect.mjs [--requests 20000] [--connections 8] [--binding dpop|certificate] [--perf FILE]
//
// The program is SALLYPORT_BIN, or build/sallyport.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import { parseArgs } from 'node:util'
import { authorityOf, Connect } from '../tests/e2e/lib/connect.mjs'
import { until } from '../tests/e2e/lib/files.mjs'
import { World } from '../tests/e2e/lib/gateway.mjs'

const { values } = parseArgs({ options: {
  requests: { type: 'string', default: '20000' }, connections: { type: 'string', default: '8' }, binding: { type: 'string', default: 'dpop' }, perf: { type: 'string' }
} })
const requests = Number(values.requests), connections = Number(values.connections)
const ANSWER = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1024\r\n\r\n${JSON.stringify('x'.repeat(1022))}`)
const BODY = JSON.stringify({ vector: Array.from({ length: 384 }, (_, i) => i / 384), limit: 10 })

// Answers when the request's bytes are there; it reads no further than that.
const shard = net.createServer(socket => {
  let have = 0, need = 0
  socket.on('error', () => {}).on('data', data => {
    if (need === 0) {
      const end = data.indexOf('\r\n\r\n')
      need = end + 4 + Number(/content-length: (\d+)/.exec(data.toString('latin1', 0, end))?.[1] ?? 0)
    }
    have += data.length
    if (have < need) return
    have = need = 0
    socket.write(ANSWER)
  })
})
await new Promise(resolve => shard.listen(0, '127.0.0.1', resolve))
const w = await World.make('bench-connect', {
  shards: [{ name: 'fast', api: 'qdrant', endpoints: [`http://127.0.0.1:${shard.address().port}`] }], routes: [{ shard: 'fast' }], loops: 1,
  change: { log: { level: 'warn' } }
})
const authority = await authorityOf(w)
await authority.start()
w.start().catch(() => {})
await until('the gateway', async () => (await w.metrics().catch(() => ({}))).sallyport_ready === 1, 20000)
const c = await Connect.start('bench', { who: w.ca.issue('bench'), gateways: [w], authority, change: { connect: { binding: values.binding }, log: { level: 'info' } } })

const cpu = () => {
  const f = fs.readFileSync(`/proc/${c.process.pid}/stat`, 'latin1').split(') ')[1].split(' ')
  return { user: Number(f[11]) * 10000, system: Number(f[12]) * 10000 } // µs, of ticks of 10 ms
}
const REQUEST = Buffer.from(`POST /collections/docs/points/search HTTP/1.1\r\nhost: 127.0.0.1:${c.port}\r\ncontent-type: application/json\r\nuser-agent: bench\r\naccept: */*\r\napi-key: secret\r\n` +
  `content-length: ${BODY.length}\r\n\r\n${BODY}`)

function drive(n) {
  let left = n
  return Promise.all(Array.from({ length: connections }, () => new Promise((resolve, reject) => {
    let have = 0, need = 0
    const socket = net.connect(c.port, '127.0.0.1')
    const next = () => left-- > 0 ? socket.write(REQUEST) : (socket.end(), resolve())
    socket.on('connect', next).on('error', reject).on('data', data => {
      if (need === 0) {
        const end = data.indexOf('\r\n\r\n')
        const head = data.toString('latin1', 0, end)
        if (!head.startsWith('HTTP/1.1 200')) return reject(new Error(data.toString()))
        need = end + 4 + Number(/content-length: (\d+)/.exec(head)[1])
      }
      have += data.length
      if (have >= need) { have = need = 0; next() }
    })
  })))
}

await drive(2000)
const perf = values.perf && spawn('perf', ['record', '-q', '-g', '-F', '4999', '-o', values.perf, '-p', String(c.process.pid)])
const before = cpu()
const began = process.hrtime.bigint()
await drive(requests)
const seconds = Number(process.hrtime.bigint() - began) / 1e9
const after = cpu()
perf?.kill('SIGINT')
const [user, system] = [(after.user - before.user) / requests, (after.system - before.system) / requests]
console.log(`${requests} requests of ${REQUEST.length} bytes, answers of 1024, ${connections} connections, ${values.binding}: ${(user + system).toFixed(1)} µs of CPU a request ` +
  `(${user.toFixed(1)} in the program, ${system.toFixed(1)} in the kernel), ${Math.round(requests / seconds)} a second`)
await new Promise(resolve => setTimeout(resolve, 3000))
console.log(fs.readFileSync(`/proc/${c.process.pid}/status`, 'utf8').match(/(VmRSS|RssAnon|RssFile):\s+\d+ kB/g).join(', '))
await c.stop()
await w.stop()
await authority.stop()
shard.close()
