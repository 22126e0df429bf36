import { describe, expect, it } from 'vitest';
import type { Table } from '../../relations.ts';
import { parentsOf, possibleKeys } from './referenceNames.ts';

const table = (name: string, columns: Record<string, string>, more: Partial<Table> = {}): Table =>
  ({
    schema: 'public',
    name,
    columns: Object.entries(columns).map(([column, type]) => ({ name: column, type })),
    primaryKey: ['id'],
    uniqueKeys: [],
    indexes: [],
    ...more,
  }) as unknown as Table;

const users = table('users', { id: 'integer', login: 'text', manager_id: 'integer' });
const rooms = table(
  'rooms',
  { id: 'bigint', room_id: 'text', name: 'text' },
  { uniqueKeys: [['room_id'], ['name']] },
);
const posts = table('posts', {
  id: 'integer',
  parent_id: 'bigint',
  author_id: 'integer',
  room_id: 'text',
  name: 'text',
});
const archived = table('posts', { id: 'integer' }, { schema: 'old' });
const all = [users, rooms, posts, archived];
const keys = (child: Table, column: string, parents = all) =>
  possibleKeys(
    child,
    child.columns.find(({ name }) => name === column) ?? expect.fail(column),
    parentsOf(parents),
  ).map(({ parent, key }) => `${parent.schema}.${parent.name}.${key}`);

describe('the keys that a column may refer to by its name', () => {
  it('a role is a person’s', () => {
    expect(keys(posts, 'author_id')).toEqual(['public.users.id']);
    expect(keys(users, 'manager_id')).toEqual(['public.users.id']);
    expect(keys(table('shops', { id: 'integer', owner_id: 'integer' }), 'owner_id')).toEqual([]);
  });
  it('a parent is a row of the same table', () =>
    expect(keys(posts, 'parent_id')).toEqual(['public.posts.id']));
  it('a unique column of the same name, unless many tables have one', () => {
    expect(keys(posts, 'room_id')).toEqual(['public.rooms.room_id']);
    expect(keys(posts, 'name')).toEqual([]);
  });
  it('all of them, those of the same schema and of the whole name first', () => {
    const blog = table('blog_posts', { id: 'integer' });
    const child = table('likes', { id: 'integer', post_id: 'integer' });
    expect(keys(child, 'post_id', [archived, blog, posts])).toEqual([
      'public.posts.id',
      'public.blog_posts.id',
      'old.posts.id',
    ]);
  });
  it('none where a column beside it names the table', () => {
    const child = table('notes', { id: 'integer', post_id: 'integer', post_type: 'text' });
    expect(keys(child, 'post_id')).toEqual([]);
  });
  it('none of another type, and none for what is unique in both', () => {
    expect(keys(table('notes', { id: 'integer', user_id: 'uuid' }), 'user_id')).toEqual([]);
    const twin = table('room_stats', { id: 'bigint', room_id: 'text' }, { uniqueKeys: [['room_id']] });
    expect(keys(twin, 'room_id')).toEqual([]);
  });
});
