import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../generated/client.ts';

export async function open(connectionString) {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString, max: 3 }) });
  return {
    things: (id) => prisma.things.findMany({ where: { id }, select: { id: true, name: true } }),
    fail: () => prisma.$queryRawUnsafe('SELECT nothing FROM things'),
    close: () => prisma.$disconnect(),
  };
}
