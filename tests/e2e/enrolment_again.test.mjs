// SPDX-License-Identifier: GPL-3.0-or-later
// Who enrolled with a join token, and could not renew in time.
import fs from 'node:fs'
import { after, test } from 'node:test'
import { authority, joinToken } from './lib/enrolment.mjs'
import { port, replace, sallyport, until } from './lib/files.mjs'
import { yaml } from './lib/gateway.mjs'
import { command, dumpLogs, start } from './lib/program.mjs'

const ID = 'spiffe://example.org/vm/sleeper'
let a, c

after(async () => {
  dumpLogs(a?.process, c)
  await c?.stop()
  await a?.stop()
})

test('another join token in the file is taken when the certificate has ended, without a restart', async () => {
  a = await authority('again', { lifetime: '10s' })
  await a.start()
  fs.writeFileSync(a.at('join'), joinToken(a.ca, ID))
  fs.writeFileSync(a.at('token'), 'a.b.c')
  fs.writeFileSync(a.at('connect.yaml'), yaml({
    connect: {
      listen: [`127.0.0.1:${await port()}`], binding: 'certificate', token: { file: a.at('token') },
      enrol: { url: `https://localhost:${a.enrolment}`, ca: a.ca.bundle, join_token_file: a.at('join') },
      gateways: [{ url: 'https://localhost:1', spiffe_id: 'spiffe://example.org/gateway' }]
    }
  }).trimStart())
  c = start('connect', sallyport, ['connect', '--config', a.at('connect.yaml')], { env: { ...process.env, KUBERNETES_SERVICE_HOST: undefined } })
  const times = () => c.log.split(`enrolled as ${ID}`).length - 1
  await until('the first', () => times() === 1, 20000)
  // It may not be renewed, so it ends.
  command('ca', 'revoke', '--dir', a.ca.dir, '--spiffe-id', ID)
  await until('the end', () => /the join token was used and the certificate has expired/.test(c.log), 40000)
  const before = times()
  replace(a.at('join'), joinToken(a.ca, ID))
  await until('another', () => times() > before, 30000)
})
