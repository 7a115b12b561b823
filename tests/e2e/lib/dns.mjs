// SPDX-License-Identifier: GPL-3.0-or-later
// A name server with a zone that a test changes while it is asked: A and SRV records, over UDP.
import dgram from 'node:dgram'

const TYPES = { 1: 'A', 28: 'AAAA', 33: 'SRV' }
const NXDOMAIN = 3
const SERVFAIL = 2

export class NameServer {
  static async start() {
    const self = new NameServer()
    self.zone = {}          // 'name TYPE' → [value]; A: '127.0.0.2', SRV: { target, port, priority = 0, weight = 0 }
    self.ttl = 1
    self.mode = 'answer'    // or 'silent', 'broken' (SERVFAIL), 'garbage'
    self.questions = []     // 'name TYPE'
    self.socket = dgram.createSocket('udp4')
    self.socket.on('message', (message, from) => self.take(message, from))
    await new Promise(resolve => self.socket.bind(0, '127.0.0.1', resolve))
    self.address = `127.0.0.1:${self.socket.address().port}`
    return self
  }

  take(message, from) {
    const { name, type, end } = question(message)
    this.questions.push(`${name} ${type}`)
    if (this.mode === 'silent') return
    const known = Object.keys(this.zone).some(k => k.split(' ')[0] === name)
    const values = this.zone[`${name} ${type}`] ?? []
    const code = this.mode === 'broken' ? SERVFAIL : known ? 0 : NXDOMAIN
    const answers = code === 0 ? values.map(v => this.record(type, v)) : []
    const head = Buffer.alloc(12)
    message.copy(head, 0, 0, 2)
    head.writeUInt16BE(0x8580 | code, 2) // an answer, authoritative, recursion available
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(answers.length, 6)
    const whole = Buffer.concat([head, message.subarray(12, end), ...answers])
    this.socket.send(this.mode === 'garbage' ? whole.subarray(0, whole.length - 3) : whole, from.port, from.address)
  }

  record(type, value) {
    const data = type === 'A' ? Buffer.from(value.split('.').map(Number)) : service(value)
    const out = Buffer.alloc(12)
    out.writeUInt16BE(0xc00c, 0) // the question's name
    out.writeUInt16BE(type === 'A' ? 1 : 33, 2)
    out.writeUInt16BE(1, 4)
    out.writeUInt32BE(this.ttl, 6)
    out.writeUInt16BE(data.length, 10)
    return Buffer.concat([out, data])
  }

  stop() { return new Promise(resolve => this.socket.close(resolve)) }
}

function service({ target, port, priority = 0, weight = 0 }) {
  const numbers = Buffer.alloc(6)
  numbers.writeUInt16BE(priority, 0)
  numbers.writeUInt16BE(weight, 2)
  numbers.writeUInt16BE(port, 4)
  const labels = target.split('.').filter(Boolean).map(l => Buffer.concat([Buffer.from([l.length]), Buffer.from(l)]))
  return Buffer.concat([numbers, ...labels, Buffer.from([0])])
}

function question(message) {
  const labels = []
  let at = 12
  for (; message[at]; at += message[at] + 1) labels.push(message.toString('latin1', at + 1, at + 1 + message[at]))
  return { name: labels.join('.').toLowerCase(), type: TYPES[message.readUInt16BE(at + 1)] ?? 'other', end: at + 5 }
}
