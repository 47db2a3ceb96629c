// The document: shows what the rooms hold (room.js) and says what the person does. Drawn once per
// frame, however many messages come.

const SHOWN = 300; // entries of a group in the document

const element = (id) => document.getElementById(id);

function make(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const time = (at) =>
  at ? at.toLocaleTimeString([], { hourCycle: 'h23' }) : 'earlier';

const short = (client) => client.slice(0, 8);

function messageElement({ data, info, offset, at }) {
  const line = make('div', 'message');
  const text = typeof data === 'string';
  line.append(
    make('time', '', time(at)),
    make('span', info ? 'from' : 'from producer', info ? info.user || short(info.client) : 'producer'),
    make('span', text ? 'data' : 'data json', text ? data : JSON.stringify(data)),
    make('span', 'offset', offset ? `#${offset}` : ''),
  );
  return line;
}

const entryElement = (entry) =>
  entry.kind === 'message'
    ? messageElement(entry)
    : make('div', entry.gap ? 'remark gap' : 'remark', entry.text);

function emptyElement(room) {
  const line = make('div', 'empty', room.joined ? 'Nothing yet. Publish something:' : '');
  if (room.joined) {
    const target = room.name === '*' ? '--all' : room.name;
    line.append(document.createElement('br'), make('code', '', `shardcast pub ${target} hello`));
  }
  return line;
}

export class View {
  #frame = 0;
  #shown = { room: null, end: 0, rebuilt: 0 }; // what the log shows: entries before `end`
  #shownPresent = { room: null, changes: 0 };
  #items = new Map(); // room to its element in the list of groups
  #client = '';
  #counts = new WeakMap(); // room to messages received a second ago
  #rates = new WeakMap();

  constructor(does) {
    this.does = does;
    const log = element('log');
    const submitted = (id, then) =>
      element(id).addEventListener('submit', (event) => {
        event.preventDefault();
        then();
      });
    submitted('join-form', () => {
      does.join(element('join').value.trim());
      element('join').value = '';
    });
    submitted('name-form', () => does.rename(element('name').value.trim()));
    submitted('publish-form', async () => {
      const field = element('message');
      if (await does.publish(field.value)) field.value = '';
    });
    element('toggle').addEventListener('click', () => does.toggle());
    element('leave').addEventListener('click', () => does.leave());
    element('newest').addEventListener('click', () => (log.scrollTop = log.scrollHeight));
    log.addEventListener('scroll', () => (element('newest').hidden = this.#atEnd()));
  }

  /** Draws in the next frame, or within a second in a tab that has none. */
  changed(draw) {
    if (this.#frame) return;
    const now = () => {
      this.#frame = 0;
      draw();
    };
    this.#frame = document.hidden ? setTimeout(now, 1000) : requestAnimationFrame(now);
  }

  connection(state, text, client = '') {
    const shown = element('state');
    shown.dataset.state = state;
    shown.textContent = text;
    element('toggle').textContent = state === 'disconnected' ? 'Connect' : 'Disconnect';
    this.#client = client;
  }

  name(user) {
    element('name').value = user;
  }

  problem(text) {
    element('problem').textContent = text;
    element('problem').hidden = !text;
  }

  joinProblem(text) {
    element('join-problem').textContent = text;
  }

  /** In place: what is replaced between a button's press and release is not clicked. */
  groups(rooms, current) {
    for (const [room, item] of this.#items) {
      if (rooms.includes(room)) continue;
      item.remove();
      this.#items.delete(room);
    }
    for (const room of rooms) {
      if (!this.#items.has(room)) this.#items.set(room, this.#groupElement(room));
      const button = this.#items.get(room).firstChild;
      const [, note, unread] = button.children;
      if (room === current) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
      note.textContent = room.joined ? '' : room.problem || 'waiting';
      unread.textContent = room.unread && room !== current ? Math.min(room.unread, 9999) : '';
    }
  }

  #groupElement(room) {
    const item = make('li', '');
    const button = make('button', '');
    button.type = 'button';
    button.append(make('span', 'name', room.title), make('span', 'note'), make('span', 'unread'));
    button.addEventListener('click', () => this.does.choose(room));
    item.append(button);
    element('groups').append(item);
    return item;
  }

  room(room) {
    const follow = this.#shown.room !== room || this.#atEnd(); // before what is around it changes
    element('leave').hidden = !room?.subscription;
    element('room-name').textContent = room?.title ?? 'No group';
    this.#facts(room);
    this.#publishing(room);
    this.#present(room);
    this.#log(room);
    const log = element('log');
    if (follow) log.scrollTop = log.scrollHeight;
    element('newest').hidden = follow;
  }

  #facts(room) {
    if (!room) return element('room-facts').replaceChildren();
    const facts = [`${room.received.toLocaleString()} received`, `${this.#rates.get(room) ?? 0}/s`];
    if (room.position) facts.push(`position ${room.position.epoch}:${room.position.offset}`);
    element('room-facts').textContent = facts.join(' · ');
  }

  /** Once a second: how many messages came in it. */
  rates(rooms) {
    for (const room of rooms) {
      this.#rates.set(room, room.received - (this.#counts.get(room) ?? 0));
      this.#counts.set(room, room.received);
    }
    if (rooms.includes(this.#shown.room)) this.#facts(this.#shown.room);
  }

  #atEnd() {
    const log = element('log');
    return log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  }

  #log(room) {
    const log = element('log');
    const end = room ? room.dropped + room.entries.length : 0;
    if (this.#shown.room !== room || this.#shown.rebuilt !== room?.rebuilt) {
      log.replaceChildren();
      this.#shown = { room, end: 0, rebuilt: room?.rebuilt };
    }
    const fresh = end - this.#shown.end;
    if (fresh) {
      log.querySelector('.empty')?.remove();
      log.append(...room.entries.slice(-Math.min(fresh, SHOWN)).map(entryElement));
      while (log.childElementCount > SHOWN) log.firstChild.remove();
    }
    this.#shown.end = end;
    if (room && !room.entries.some((entry) => entry.kind === 'message')) {
      log.querySelector('.empty')?.remove();
      log.append(emptyElement(room));
    }
  }

  #publishing(room) {
    const may = Boolean(room?.subscription && room.mayPublish);
    for (const field of element('publish-form').elements) field.disabled = !may || !room.joined;
    element('publish-form').hidden = !room?.subscription;
    element('publish-note').textContent =
      room && !room.mayPublish && room.subscription
        ? 'Clients may not publish in this group: its namespace has no client_publish. Producers and "shardcast pub" may.'
        : (room?.publishProblem ?? '');
  }

  #present(room) {
    const present = room?.present;
    const shown = this.#shownPresent;
    element('present-title').textContent = present ? `Present (${present.size})` : 'Present';
    element('present-note').textContent =
      present === null ? "Not known here: the group's namespace has no presence." : '';
    if (shown.room === room && shown.changes === room?.presenceChanges) return;
    this.#shownPresent = { room, changes: room?.presenceChanges };
    const clients = [...(present ?? [])].sort(([a, x], [b, y]) => x.localeCompare(y) || a.localeCompare(b));
    element('present').replaceChildren(...clients.map(([client, user]) => this.#personElement(client, user)));
  }

  #personElement(client, user) {
    const item = make('li', '', user && `${user} `);
    item.append(make('span', 'id', client === this.#client ? `${short(client)} (you)` : short(client)));
    return item;
  }
}
