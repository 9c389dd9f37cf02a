// Stands in front of a gateway and adds the key of ATTHENE_API_KEY: the conformance suite has no way to send a header.
// Who is asked stays as it came, but for the port, which is this proxy's. URL; prints its own.

import http from "node:http";

const gateway = new URL(process.argv[2]);
const authorization = `Bearer ${process.env.ATTHENE_API_KEY}`;

const proxy = http.createServer((asked, answer) => {
  const own = `:${proxy.address().port}`;
  const headers = { ...asked.headers, authorization };
  for (const name of ["host", "origin"].filter((name) => headers[name])) {
    headers[name] = headers[name].replace(own, `:${gateway.port}`);
  }
  const { method, url: path } = asked;
  const { hostname, port } = gateway;
  const passed = http.request({ hostname, port, path, method, headers }, (got) => {
    answer.writeHead(got.statusCode, got.headers);
    got.pipe(answer);
  });
  passed.on("error", () => answer.destroy());
  asked.pipe(passed);
});
proxy.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${proxy.address().port}`));
