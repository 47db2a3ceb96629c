// One group of the page: what it received, who is present, and what became of its subscription.
// No document here: a view shows it (view.js).

const ENTRIES_KEPT = 500;
const HISTORY_SHOWN = 50;

const NOT_ALLOWED = 103;
const LIMIT_EXCEEDED = 106;
const BAD_REQUEST = 107;
const NOT_AVAILABLE = 108;
const TOO_MANY_REQUESTS = 111;

/* The protocol's errors, in the words of what was tried. */
const waitsFor = { [LIMIT_EXCEEDED]: 'full' };
const refusals = {
  [NOT_ALLOWED]: 'belongs to a user',
  [LIMIT_EXCEEDED]: 'would be one group too many',
  [BAD_REQUEST]: 'is not a valid name',
};
const unpublished = { [TOO_MANY_REQUESTS]: 'Not sent: more messages than the group may have in a second' };

const plural = (count, what) => `${count} ${what}${count === 1 ? '' : 's'}`;

export class Room {
  /** {kind: 'message', data, info, epoch, offset, at} and {kind: 'remark', text, gap}, oldest first. */
  entries = [];
  dropped = 0; // entries that were too old to be kept
  rebuilt = 0; // counts what was not just an entry more at the end
  received = 0;
  unread = 0;
  joined = false;
  problem = '';
  position = null; // {epoch, offset}; null: no history
  presenceChanges = 0;
  present; // Map of client to user; null: not kept in this group
  mayPublish = true; // until the engine says otherwise
  publishProblem = '';
  #rejoins = false; // was joined before
  #presenceWaits = null; // joins and leaves that came while presence is asked for
  #recovered = null; // the remark that counts what is recovered

  /** `subscription` is the SDK's; null: one that the engine gives. `changed()` is called after all
   *  that happens, `refused(why)` when it cannot be joined. */
  constructor(name, subscription, changed, refused) {
    this.name = name;
    this.subscription = subscription;
    this.changed = changed;
    if (!subscription) {
      this.mayPublish = false;
      return;
    }
    subscription.on('subscribed', (context) => this.subscribed(context));
    subscription.on('subscribing', () => this.away());
    subscription.on('unsubscribed', ({ code, reason }) => code && refused(refusals[code] ?? reason));
    subscription.on('publication', (publication) => this.publication(publication));
    subscription.on('join', ({ info }) => this.#presence('join', info));
    subscription.on('leave', ({ info }) => this.#presence('leave', info));
    subscription.on('error', ({ error }) => this.#update({ problem: waitsFor[error.code] ?? error.message }));
  }

  get title() {
    return this.name === '*' ? 'everyone' : this.name;
  }

  away() {
    this.#update({ joined: false });
  }

  subscribed(context) {
    const remark = this.#remark(...this.#story(context));
    if (context.recovered) {
      this.#recovered = remark;
      remark.count = 0;
      queueMicrotask(() => this.#countedRecovered());
    } else if (context.recoverable && this.subscription) {
      this.#showHistory(remark, context.streamPosition);
    }
    this.position = context.streamPosition ?? null;
    this.#rejoins = true;
    if (this.subscription) this.#askPresence();
    this.#update({ joined: true, problem: '' });
  }

  /** What to say of a subscription that begins, and whether something may be missing. */
  #story({ recovered, recoverable, streamPosition }) {
    if (!this.#rejoins) return ['Joined'];
    if (recovered) return ['Back: nothing was missed'];
    if (!recoverable) return ['Back: what was sent meanwhile is not kept in this group', true];
    if (this.position?.epoch !== streamPosition.epoch)
      return ['Back: the group begins anew, as after a restart of the engine', true];
    return ['Back: more was missed than can be recovered', true];
  }

  #countedRecovered() {
    const { count } = this.#recovered;
    if (count) this.#recovered.text = `Back: ${plural(count, 'missed message')} recovered`;
    this.#recovered = null;
  }

  publication(publication) {
    this.received++;
    this.unread++;
    if (this.#recovered) this.#recovered.count++;
    if (this.position && publication.offset) this.position.offset = publication.offset;
    this.#add({ ...publication, epoch: this.position?.epoch, kind: 'message', at: new Date() });
  }

  /** What was published before the subscription began, behind the remark that tells of it. Offsets
   *  beyond its position come as publications. */
  async #showHistory(remark, { epoch, offset }) {
    const { publications } = await this.subscription
      .history({ limit: HISTORY_SHOWN, reverse: true })
      .catch(() => ({ publications: [] }));
    const at = this.entries.indexOf(remark);
    const known = new Set(this.entries.filter((entry) => entry.epoch === epoch).map((entry) => entry.offset));
    const earlier = publications
      .filter((publication) => publication.offset <= offset && !known.has(publication.offset))
      .reverse()
      .map((publication) => ({ ...publication, epoch, kind: 'message' }));
    if (at < 0 || !earlier.length) return;
    remark.text += `; ${plural(earlier.length, 'message')} from the history`;
    this.entries.splice(at + 1, 0, ...earlier);
    this.rebuilt++;
    this.changed(this);
  }

  /* Publishing */

  async publish(text) {
    let data = text;
    try {
      data = JSON.parse(text);
    } catch {
      // It is text, then.
    }
    try {
      await this.subscription.publish(data);
      this.#update({ publishProblem: '' });
      return true;
    } catch (error) {
      if (error.code === NOT_ALLOWED) this.mayPublish = false;
      this.#update({ publishProblem: unpublished[error.code] ?? `Not sent: ${error.message}` });
      return false;
    }
  }

  /* Presence. Joins and leaves that come before the answer are done again after it: the last word
   * on each client is then the right one. */

  async #askPresence() {
    const waits = (this.#presenceWaits = []);
    let present = this.present;
    try {
      const { clients } = await this.subscription.presence();
      present = new Map(Object.values(clients).map(({ client, user }) => [client, user]));
    } catch (error) {
      if (error.code === NOT_AVAILABLE) present = null;
    }
    if (waits !== this.#presenceWaits) return; // asked again meanwhile
    this.#presenceWaits = null;
    this.present = present;
    this.presenceChanges++;
    for (const [event, info] of waits) this.#presence(event, info);
    this.changed(this);
  }

  #presence(event, info) {
    this.#presenceWaits?.push([event, info]);
    if (!this.present) return;
    if (event === 'join') this.present.set(info.client, info.user);
    else this.present.delete(info.client);
    this.presenceChanges++;
    this.changed(this);
  }

  /* What the view shows */

  #update(changes) {
    Object.assign(this, changes);
    this.changed(this);
  }

  #remark(text, gap = false) {
    const remark = { kind: 'remark', text, gap };
    this.#add(remark);
    return remark;
  }

  #add(entry) {
    this.entries.push(entry);
    if (this.entries.length > 2 * ENTRIES_KEPT) {
      this.dropped += this.entries.length - ENTRIES_KEPT;
      this.entries.splice(0, this.entries.length - ENTRIES_KEPT);
    }
    this.changed(this);
  }
}
