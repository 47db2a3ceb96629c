// The page at /demo, in headless Chromium: what a person sees of groups, messages, presence and of
// what becomes of a connection.
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { closePage, openPage, Wire } from './lib/browser.mjs';
import { startEngine, withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { scaled, sleep, until } from './lib/util.mjs';

const namespaces = [
  { name: '', max_rate: 0 },
  { name: 'chat', client_publish: true, presence: true, history: { messages: 1000, seconds: 600 } },
];
const config = { namespaces };

const demo = (port, query = '', host = '127.0.0.1') => `http://${host}:${port}/demo?${query}`;

async function connected(page) {
  await page.locator('#state[data-state=connected]').waitFor();
  return page;
}

const openDemo = async (engine, query, options) =>
  connected(await openPage(demo(engine.ports.clients, query), options));

/** The page's messages, as [from, data]. */
const messages = (page) =>
  page.locator('#log .message').evaluateAll((all) =>
    all.map((line) => [line.querySelector('.from').textContent, line.querySelector('.data').textContent]));

const texts = async (page) => (await messages(page)).map(([, data]) => data);

/** That the page shows these messages and no others. */
async function shows(page, expected, question = texts) {
  let now;
  await until(async () => (now = await question(page)).length >= expected.length, `${expected.length} messages`)
    .catch(() => {});
  assert.deepEqual(now, expected);
}

const remark = (page, text) => page.locator('#log .remark', { hasText: text }).first().waitFor();
const choose = (page, group) => page.locator('#groups button', { hasText: group }).click();

async function publish(page, text) {
  await page.fill('#message', text);
  await page.press('#message', 'Enter');
}

test('the page joins groups and shows what producers send', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const page = await openDemo(engine, 'user=ann&group=news');
    await remark(page, 'Joined');
    await producer.broadcast('news', 'Grüße, 世界 <b>not bold</b>');
    await producer.broadcast('news', { visitors: 17, list: [1, null] });
    await producer.broadcast('news', Buffer.from([1, 2, 3]));
    await shows(page, ['Grüße, 世界 <b>not bold</b>', '{"visitors":17,"list":[1,null]}', 'AQID']);

    await page.fill('#join', 'experiment:42');
    await page.press('#join', 'Enter');
    await remark(page, 'Joined');
    assert.equal(await page.locator('#groups [aria-current]').innerText(), 'experiment:42');
    assert.equal(new URL(page.url()).searchParams.getAll('group').join(), 'news,experiment:42');
    await producer.broadcast({ experiment: 42 }, 'variant blue');
    await shows(page, ['variant blue']);

    await producer.broadcast('news', 'meanwhile');
    await producer.broadcast({ all: true }, 'to everyone');
    await producer.broadcast({ user: 'ann' }, 'to ann');
    for (const group of ['news', 'everyone', 'user:ann'])
      await page.locator('#groups button', { hasText: group }).locator('.unread', { hasText: '1' }).waitFor();
    await choose(page, 'everyone');
    await shows(page, ['to everyone']);
    await choose(page, 'user:ann');
    await shows(page, ['to ann']);

    await choose(page, 'experiment:42');
    await page.click('#leave');
    await engine.statsWhen((stats) => stats.active_experiments === 0, 'the page has left');

    await page.reload();
    await connected(page);
    await producer.broadcast('news', 'again');
    await shows(page, ['again']);
    await closePage(page);
  });
});

test('bad names, and groups that refuse', async () => {
  await withEngine({ config: { namespaces: [{ name: '' }, { name: 'small', max_members: 1 }] } }, async (engine) => {
    const first = await openDemo(engine, 'group=small:a');
    await remark(first, 'Joined');
    const page = await openDemo(engine, 'group=small:a&group=news');
    await page.locator('#groups button', { hasText: 'small:a' }).locator('.note', { hasText: /full/ }).waitFor();
    for (const [name, problem] of [['a b', 'a b is not a valid name'], ['user:bob', 'user:bob belongs to a user']]) {
      await page.fill('#join', name);
      await page.press('#join', 'Enter');
      await page.locator('#join-problem', { hasText: problem }).waitFor();
    }
    assert.deepEqual(await page.locator('#groups .name').allInnerTexts(), ['small:a', 'news', 'everyone']);
    await closePage(first); // now there is room: the SDK asks again
    await page.locator('#groups button', { hasText: 'small:a' }).locator('.note', { hasText: /^$/ })
      .waitFor({ state: 'attached' });
    await closePage(page);
  });
});

test('publishing, presence and history between two pages', async () => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    await producer.broadcast('chat:lobby', 'before anyone came');
    const ann = await openDemo(engine, 'user=ann&group=chat:lobby');
    await shows(ann, [['producer', 'before anyone came']], messages);
    const bob = await openDemo(engine, 'user=bob&group=chat:lobby&group=news');
    const present = (page) => page.locator('#present li').allInnerTexts();
    for (const page of [ann, bob])
      await until(async () => (await present(page)).length === 2, 'both see both');
    assert.match((await present(ann)).join(), /^ann \w+ \(you\),bob \w+$/);

    await publish(ann, 'hello, Bob');
    await ann.locator('#message:enabled').waitFor();
    await publish(bob, '{"hello": ["Ann"]}');
    const said = [['producer', 'before anyone came'], ['ann', 'hello, Bob'], ['bob', '{"hello":["Ann"]}']];
    await shows(ann, said, messages);
    await shows(bob, said, messages);

    await choose(bob, 'news');
    await remark(bob, 'Joined');
    await publish(bob, 'may I?');
    await bob.locator('#publish-note', { hasText: 'may not publish' }).waitFor();
    assert.equal(await bob.locator('#message').isDisabled(), true);
    await bob.locator('#present-note', { hasText: 'no presence' }).waitFor();

    await bob.fill('#name', 'bernard');
    await bob.press('#name', 'Enter');
    await until(async () => /bernard/.test((await present(ann)).join()), 'ann sees the new name');
    await closePage(bob);
    await until(async () => (await present(ann)).length === 1, 'ann sees that bob has gone');
    await closePage(ann);
  });
});

test('a connection that is cut: what was missed comes, once', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const wire = await Wire.open(engine.ports.clients);
    const page = await connected(await openPage(demo(wire.port, 'group=chat:lobby&group=news')));
    await remark(page, 'Joined');
    const expected = [];
    const say = async (text) => {
      expected.push(text);
      await producer.broadcast('chat:lobby', text);
    };
    await say('before');
    await shows(page, expected);
    wire.down();
    await page.locator('#state[data-state=connecting]').waitFor();
    for (let i = 0; i < 5; i++) await say(`missed ${i}`);
    wire.up();
    await remark(page, 'Back: 5 missed messages recovered');
    await say('after');
    await shows(page, expected);
    wire.cut();
    await remark(page, 'Back: nothing was missed');
    await choose(page, 'news');
    await remark(page, 'what was sent meanwhile is not kept');
    await closePage(page);
    await wire.close();
  });
});

for (const signal of ['SIGTERM', 'SIGKILL'])
  test(`the engine is restarted on the same ports (${signal})`, async () => {
    const first = await startEngine({ shards: 2, config });
    const page = await openDemo(first, 'user=ann&group=chat:lobby');
    const expected = [];
    const say = async (producer, text) => {
      expected.push(text);
      await producer.broadcast('chat:lobby', text);
    };
    await remark(page, 'Joined');
    await say(await Producer.connect(first), 'before');
    await shows(page, expected);
    await first.stop({ signal, status: signal === 'SIGTERM' ? 0 : signal });
    await page.locator('#state[data-state=connecting]').waitFor();
    await sleep(500);

    const args = Object.entries({ listen: 'clients', producers: 'producers', admin: 'admin' })
      .flatMap(([flag, port]) => [`--${flag}`, `127.0.0.1:${first.ports[port]}`]);
    const second = await startEngine({ shards: 2, config, args });
    // Some of it before the page is back, some after: all of it is shown, once and in order.
    const producer = await Producer.connect(second);
    for (let i = 0; i < 40; i++) {
      await say(producer, `after ${i}`);
      await sleep(i < 20 ? 20 : 100);
    }
    await connected(page);
    await remark(page, 'begins anew, as after a restart of the engine');
    await shows(page, expected);
    await publish(page, 'and goes on');
    await shows(page, [...expected, 'and goes on']);
    await closePage(page);
    await second.stop();
  });

test('a thousand messages a second are counted, and the page stays small', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const page = await openDemo(engine, 'group=news&group=other');
    await remark(page, 'Joined');
    const count = scaled(5000, 1500);
    for (let i = 0; i < count; i++) {
      await producer.broadcast('news', `message ${i}`);
      if (i % 10 === 9) await sleep(10);
      if (i % 500 === 250) {
        await choose(page, 'other'); // the page still listens to the person
        await choose(page, 'news');
      }
    }
    await page.locator('#room-facts', { hasText: `${count.toLocaleString('en-US')} received` }).waitFor();
    await page.locator('#log .message', { hasText: `message ${count - 1}` }).last().waitFor();
    const shown = await texts(page);
    assert.ok(shown.length >= 250 && shown.length <= 300, `${shown.length} are shown`);
    assert.deepEqual(shown, shown.map((_, i) => `message ${count - shown.length + i}`));
    await closePage(page);
  });
});

test('on a phone, and in the dark', async () => {
  await withEngine({ config }, async (engine) => {
    const page = await openDemo(engine, `group=chat:${'long'.repeat(20)}&group=news`, {
      viewport: { width: 360, height: 700 },
      colorScheme: 'dark',
    });
    await remark(page, 'Joined');
    const [wide, back] = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      getComputedStyle(document.body).backgroundColor,
    ]);
    assert.ok(wide <= 360, `${wide} pixels wide`);
    assert.match(back, /rgb\((\d|[1-4]\d), /, 'a dark background');
    await closePage(page);
  });
});

test('origins: pages of the engine may connect, others may not', async () => {
  const foreign = http.createServer((_, response) => response.end('<!doctype html><title>foreign</title>'));
  await new Promise((resolve) => foreign.listen(0, '127.0.0.1', resolve));
  /** Whether a page at this address can open the engine's WebSockets. */
  const opens = async (engine, url, host = '127.0.0.1') => {
    const page = await openPage(url);
    const outcomes = await page.evaluate(
      (origin) =>
        Promise.all(['/ws/news', '/connection/websocket'].map((path) => new Promise((resolve) => {
          const socket = new WebSocket(origin + path);
          socket.onopen = () => resolve(true);
          socket.onerror = () => resolve(false);
        }))),
      `ws://${host}:${engine.ports.clients}`,
    );
    await page.context().close();
    assert.equal(outcomes[0], outcomes[1]);
    return outcomes[0];
  };
  const elsewhere = (host) => `http://${host}:${foreign.address().port}/`;

  await withEngine({ config }, async (engine) => {
    const { clients } = engine.ports;
    assert.equal(await opens(engine, demo(clients, '', 'engine.example'), 'engine.example'), true, 'its own page');
    assert.equal(await opens(engine, elsewhere('localhost')), true, 'a page of this machine');
    assert.equal(await opens(engine, elsewhere('evil.example')), false);
    assert.equal(await opens(engine, elsewhere('engine.example'), 'engine.example'), false, 'another port');
    assert.equal((await engine.stats()).connections_refused.not_allowed, 4);
  });
  await withEngine({ config: { ...config, origins: ['http://app.example'] } }, async (engine) => {
    const page = await openPage(demo(engine.ports.clients));
    await page.locator('#problem', { hasText: 'list of origins' }).waitFor();
    await page.context().close();
  });
  await withEngine({ config: { ...config, origins: ['*'] } }, async (engine) => {
    assert.equal(await opens(engine, elsewhere('evil.example')), true);
  });
  foreign.closeAllConnections();
  foreign.close();
});

test('a user that is not believed beyond loopback is told so', async () => {
  await withEngine({ config, args: ['--listen', '0.0.0.0:0'] }, async (engine) => {
    const page = await openPage(demo(engine.ports.clients, 'user=ann'));
    await page.locator('#problem', { hasText: 'user= is not believed beyond loopback' }).waitFor();
    await page.fill('#name', '');
    await page.press('#name', 'Enter');
    await connected(page);
    assert.equal(await page.locator('#problem').isHidden(), true);
    await closePage(page);
  });
});
