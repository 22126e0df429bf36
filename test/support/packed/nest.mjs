// NestJS with TypeORM; its decorators are called by hand, so that nothing has to be compiled.
import 'reflect-metadata';
import { Controller, Get, Inject, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';

class Things {
  constructor(db) {
    this.db = db;
  }
  things(id) {
    return this.db.query('SELECT id, name FROM things WHERE id = $1', [id]);
  }
  fail() {
    return this.db.query('SELECT nothing FROM things');
  }
}
Controller('api')(Things);
Inject(getDataSourceToken())(Things, undefined, 0);
Param('id')(Things.prototype, 'things', 0);
for (const [name, path] of [
  ['things', 'things/:id'],
  ['fail', 'fail'],
])
  Get(path)(Things.prototype, name, Object.getOwnPropertyDescriptor(Things.prototype, name));

class App {}
Module({
  imports: [TypeOrmModule.forRoot({ type: 'postgres', url: process.env.DATABASE_URL, extra: { max: 3 } })],
  controllers: [Things],
})(App);

const app = await NestFactory.create(App, { logger: false });
await app.listen(0, '127.0.0.1');
console.log(`listening on ${app.getHttpServer().address().port}`);
process.once('SIGTERM', () => {
  app.getHttpServer().closeIdleConnections();
  void app.close();
});
