// SPDX-License-Identifier: GPL-3.0-or-later
// A shard that writes down what reaches it, byte for byte. It is a bare TCP (or TLS) server, so that nothing is normalised
// before it is looked at, and it can answer in ways that no server should.
import net from 'node:net'
import tls from 'node:tls'
import { port as freePort } from './files.mjs'

const OK = '{"result":[],"status":"ok","time":0.0}'

export class Upstream {
  static async start({ port, host = '127.0.0.1', tls: options } = {}) {
    const self = new Upstream()
    self.requests = []     // { method, path, headers: [[name, value]…], get(name), body: Buffer, connection }
    self.connections = 0   // accepted, ever
    self.bytes = 0         // received, ever
    self.sockets = new Set()
    self.answer = undefined // (request, socket) → text or Buffer of a whole answer; undefined: it was written to the socket, or comes later
    const serve = socket => self.serve(socket)
    self.server = options ? tls.createServer({ requestCert: true, ...options }, serve) : net.createServer(serve)
    self.server.on('tlsClientError', error => { self.tlsError = error })
    port ??= await freePort() // not any: a test may stop it and expect that nobody listens there, or start it there again
    await new Promise((resolve, reject) => self.server.once('error', reject).listen(port, host, resolve))
    self.port = self.server.address().port
    self.url = `${options ? 'https' : 'http'}://${host}:${self.port}`
    return self
  }

  get last() { return this.requests.at(-1) }

  serve(socket) {
    const connection = ++this.connections
    let pieces = []
    let have = 0
    let need = 0 // bytes of which it is known that they belong to the request; before they are there nobody needs to look
    let end = '' // the last bytes of the request, if they are known; likewise
    let tail = ''
    this.sockets.add(socket)
    socket.on('close', () => { this.sockets.delete(socket); this.closed = (this.closed ?? 0) + 1 }).on('error', () => {})
    socket.on('data', data => {
      this.onBytes?.(data, socket)
      this.bytes += data.length
      pieces.push(data)
      have += data.length
      tail = (tail + data.subarray(-4).toString('latin1')).slice(-4)
      if (have < need || !tail.endsWith(end)) return
      let held = Buffer.concat(pieces)
      for (let found; (found = parse(held)); held = held.subarray(found.length)) this.take(found, socket, connection)
      pieces = [held]
      have = held.length
      ;({ need, end } = expected(held))
    })
  }

  take(request, socket, connection) {
    request.connection = connection
    request.certificate = socket.getPeerCertificate?.()
    this.requests.push(request)
    const answer = this.answer ? this.answer(request, socket) : json(OK)
    if (answer !== undefined) socket.write(answer)
  }

  // Ends what is open, as a server does whose keep-alive time is over or whose process died.
  cut() { for (const socket of this.sockets) socket.destroy() }

  async stop() {
    this.cut()
    await new Promise(resolve => this.server.close(resolve))
  }
}

export function json(text, { status = '200 OK', headers = '' } = {}) {
  const body = typeof text === 'string' ? text : JSON.stringify(text)
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`
}

// How much a request will be, or how it will end, as far as its head is here and says it.
function expected(bytes) {
  const blank = bytes.indexOf('\r\n\r\n')
  const head = blank < 0 ? '' : bytes.subarray(0, blank).toString('latin1')
  const length = head.match(/^content-length: *(\d+)/im)
  return { need: length ? blank + 4 + Number(length[1]) : 0, end: /^transfer-encoding: *chunked/im.test(head) ? '\r\n\r\n' : '' }
}

// The first whole request, or nothing yet.
function parse(bytes) {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return
  const head = bytes.subarray(0, end).toString('latin1')
  const [line, ...fields] = head.split('\r\n')
  const [method, path] = line.split(' ')
  const headers = fields.map(f => [f.slice(0, f.indexOf(':')).toLowerCase(), f.slice(f.indexOf(':') + 1).trim()])
  const get = name => headers.find(([n]) => n === name)?.[1]
  const request = { method, path, line, head, headers, get }
  const from = end + 4
  if (get('transfer-encoding') === 'chunked') {
    const pieces = []
    for (let at = from; ;) {
      const eol = bytes.indexOf('\r\n', at)
      if (eol < 0) return
      const size = parseInt(bytes.subarray(at, eol).toString(), 16)
      if (bytes.length < eol + 2 + size + 2) return
      if (size === 0) {
        const last = bytes.indexOf('\r\n\r\n', eol)
        request.trailers = bytes.subarray(eol + 2, last).toString()
        return { ...request, chunks: pieces.length, body: Buffer.concat(pieces), length: last + 4 }
      }
      pieces.push(bytes.subarray(eol + 2, eol + 2 + size))
      at = eol + 2 + size + 2
    }
  }
  const length = Number(get('content-length') ?? 0)
  if (bytes.length < from + length) return
  return { ...request, body: bytes.subarray(from, from + length), length: from + length }
}
