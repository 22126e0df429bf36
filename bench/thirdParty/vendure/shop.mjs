// Vendure’s own server on the database of DATABASE_URL. `create` lets it make its schema; `work` sends it a day’s requests.
import { bootstrap, dummyPaymentHandler } from '@vendure/core';

const [mode] = process.argv.slice(2);
const port = Number(process.env.PORT);
const app = await bootstrap({
  apiOptions: { hostname: '127.0.0.1', port, adminApiPath: 'admin-api', shopApiPath: 'shop-api' },
  authOptions: {
    tokenMethod: ['bearer'],
    superadminCredentials: { identifier: 'superadmin', password: 'superadmin' },
  },
  dbConnectionOptions: {
    type: 'postgres',
    url: process.env.DATABASE_URL,
    synchronize: mode === 'create',
    extra: { max: 6 },
  },
  paymentOptions: { paymentMethodHandlers: [dummyPaymentHandler] },
});

async function ask(api, query, variables = {}, token) {
  const answer = await fetch(`http://127.0.0.1:${port}/${api}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await answer.json();
  if (errors) throw new Error(`${query}: ${errors[0].message}`);
  return { data, token: answer.headers.get('vendure-auth-token') };
}

const login =
  'mutation ($name: String!) { login(username: $name, password: "superadmin", rememberMe: true) { __typename } }';

if (mode === 'work') {
  const { token: admin } = await ask('admin-api', login, { name: 'superadmin' });
  for (let visit = 1; visit <= 20; visit += 1) {
    await ask(
      'shop-api',
      'query ($skip: Int) { products(options: { take: 24, skip: $skip, sort: { name: ASC } }) { totalItems items { name slug variants { price } } } }',
      { skip: visit * 24 },
    );
    await ask(
      'shop-api',
      'query ($name: String!) { products(options: { take: 24, filter: { name: { contains: $name } } }) { totalItems items { name } } }',
      { name: ['lamp', 'oak', 'vase'][visit % 3] },
    );
    for (let page = 0; page < 5; page += 1)
      await ask(
        'shop-api',
        'query ($slug: String!) { product(slug: $slug) { name description variants { name price stockLevel } } }',
        { slug: `product-${visit * 61 + page}` },
      );
    const { token } = await ask('shop-api', login, { name: `buyer${visit * 97}@example.com` });
    await ask(
      'shop-api',
      'query { activeCustomer { emailAddress orders(options: { take: 10 }) { totalItems items { code total lines { quantity productVariant { name } } } } } }',
      {},
      token,
    );
    await ask(
      'shop-api',
      'mutation ($id: ID!) { addItemToOrder(productVariantId: $id, quantity: 1) { __typename } }',
      { id: String(2 + visit * 41) },
      token,
    );
    await ask(
      'admin-api',
      'query ($skip: Int) { orders(options: { take: 50, skip: $skip, sort: { orderPlacedAt: DESC } }) { totalItems items { code state total customer { emailAddress } } } }',
      { skip: visit * 50 },
      admin,
    );
    await ask(
      'admin-api',
      'query ($mail: String!) { customers(options: { filter: { emailAddress: { contains: $mail } } }) { totalItems items { firstName } } }',
      { mail: `buyer${visit * 13}` },
      admin,
    );
  }
}
await app.close();
process.exit(0);
