"""Input that breaks the rules: commands, content, chunks. Each gets the reply that SMTP has for it,
and nothing is half accepted."""

from neighbour import GOOD, MESSAGE_BYTES_MAX, SENDER, WithNeighbour

LINE_BYTES_MAX = 4096  # a command of twice as much is too long in any case


class Commands(WithNeighbour):
    # (what is said one after the other, the codes of the replies)
    conversations = [
        (["DATA", "BDAT 0 LAST", "RCPT TO:<a@b>"], [503, 503, 503]),
        (["MAIL FROM:<a@b>", "DATA", "BDAT 0 LAST", "QUIT"], [250, 503, 503, 221]),
        (["MAIL FROM:<a@b>", "MAIL FROM:<a@b>", "RSET", "RCPT TO:<a@b>"], [250, 503, 250, 503]),
        (["MAIL FROM:<a@b>", "RCPT TO:<no address>", "DATA"], [250, 501, 554]),
        (["MAIL FROM:<a@b>", "EHLO again", "RCPT TO:<a@b>"], [250, 250, 503]),
        (["VRFY x", "EXPN x", "HELP", "NOOP x", "VERB"], [252, 502, 214, 250, 250]),
        (["FLY", "", "\t", "MAIL", "MAIL FROM:"], [500, 500, 500, 501, 501]),
        (["MAIL FROM:<a@b> SIZE=1 SIZE=x", "MAIL FROM:<a@b> NO=SUCH"], [501, 555]),
        (["MAIL FROM:<a@b> SIZE=102401", "MAIL FROM:<a@b> SIZE=102400"], [552, 250]),
        (["MAIL FROM:<a\0@b>", "MAIL FROM:<a@b>\rRCPT TO:<a@b>", "NOOP \x01"], [500, 500, 500]),
        (["MAIL FROM:<a@b>\nRCPT TO:<a@b>\nDATA"], [500]),
        (["MAIL FROM:<ü@b>", "MAIL FROM:<a@b>", "RCPT TO:<ü@b>"], [553, 250, 553]),
        (["MAIL FROM:<a@b>", "RCPT TO:<a@b\0>", "RCPT TO:<>", "RCPT TO:<a@>"],
         [250, 500, 501, 501]),
        (["NOOP " + "x" * LINE_BYTES_MAX * 2, "NOOP"], [500, 250]),
        (["MAIL FROM:<" + "x" * 300 + "@b>"], [501]),
    ]

    def test_conversations(self):
        for lines, codes in self.conversations:
            with self.subTest(lines=[line[:60] for line in lines]):
                client = self.client()
                self.assertEqual(client.say_all(*lines), codes)

    def test_before_hello(self):
        client = self.client(hello=None)
        self.assertEqual(client.reply()[0], 220)
        self.assertEqual(client.say_all("MAIL FROM:<a@b>", "NOOP", "EHLO", "HELO x"),
                         [503, 250, 501, 250])

    def test_errors_have_an_end(self):
        client = self.client()
        client.send("FLY\r\n" * 1000)
        codes = []
        while code := client.reply()[0]:
            codes.append(code)
        self.assertEqual((set(codes[:-1]), codes[-1]), ({500}, 421))
        self.assertLess(len(codes), 100)

    def test_too_many_recipients(self):
        client = self.client()
        lines = ["MAIL FROM:<a@b>"] + [f"RCPT TO:<{self.rcpt(f'many{i}')}>" for i in range(101)]
        self.assertEqual(client.say_all(*lines), [250] * 101 + [452])
        self.assertEqual(client.say("RSET")[0], 250)


class Content(WithNeighbour):
    # By RFC 5321 2.3.8 and 4.1.1.4 only CRLF ends a line, and only CRLF.CRLF the content. Whatever
    # else looks like an end must not be one, or a second message could be smuggled in.
    ends = {
        "LF . LF": b"\n.\n", "CR . CR": b"\r.\r", "CR . LF": b"\r.\n", "LF . CR": b"\n.\r",
        "LF . CRLF": b"\n.\r\n", "CRLF . LF": b"\r\n.\n", "CR . CRLF": b"\r.\r\n",
        "CRLF . CR": b"\r\n.\r", "CRLF NUL . CRLF": b"\r\n\0.\r\n",
        "CRLF . NUL CRLF": b"\r\n.\0\r\n", "CR CR LF": b"\r\r\n", "NUL": b"\0",
        "999 bytes": b"\r\n" + b"x" * 999 + b"\r\n",
    }

    def contents(self):
        for name, end in self.ends.items():
            yield name, b"Subject: x\r\n\r\nx" + end + b"MAIL FROM:<smuggled@x>\r\n"

    def test_bad_content_by_data(self):
        for name, content in self.contents():
            for piece in (0, 1):
                with self.subTest(name, piece=piece):
                    client = self.client()
                    client.open_transaction(SENDER, [self.rcpt("bad")])
                    self.assertEqual(client.say("DATA")[0], 354)
                    client.send(content + b"\r\n.\r\n", piece)
                    self.assertEqual(client.reply()[0], 550)
                    self.submit_good(client)

    def test_bad_content_by_bdat(self):
        for name, content in self.contents():
            for chunk_bytes in (len(content), 1):
                with self.subTest(name, chunk_bytes=chunk_bytes):
                    client = self.client()
                    client.open_transaction(SENDER, [self.rcpt("bad")])
                    code = 250
                    for at in range(0, len(content), chunk_bytes):
                        chunk = content[at:at + chunk_bytes]
                        client.send(b"BDAT %d\r\n%s" % (len(chunk), chunk))
                        code = max(code, client.reply()[0])
                        if code != 250:
                            break
                    else:
                        code = client.say("BDAT 0 LAST")[0]
                    self.assertEqual(code, 550)
                    self.assertEqual(client.say("RSET")[0], 250)
                    self.submit_good(client)

    def test_too_big(self):
        content = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * MESSAGE_BYTES_MAX
        client = self.client()
        client.open_transaction(SENDER, [self.rcpt("big")])
        self.assertEqual(client.give(content)[0], 552)
        self.submit_good(client)
        client.open_transaction(SENDER, [self.rcpt("big")])
        self.assertEqual(client.give_chunks(content)[0], 552)
        self.submit_good(client)

    def test_round_in_circles(self):
        """RFC 5321 6.3: many Received fields are a loop."""
        client = self.client()
        for count, code in ((40, 250), (60, 554)):
            client.open_transaction(SENDER, [self.rcpt("good")])
            reply = client.give(b"Received: x\r\n" * count + GOOD)
            self.assertEqual(reply[0], code)
            if code == 250:
                self.was_good(reply)


class Chunks(WithNeighbour):
    def test_chunk_without_transaction(self):
        """RFC 3030 2: its bytes are read all the same, and are no commands."""
        client = self.client()
        client.send(b"BDAT 17\r\nMAIL FROM:<a@b>\r\nNOOP\r\n")
        self.assertEqual(client.codes(2), [503, 250])

    def test_chunk_size_that_is_none(self):
        """Where such a chunk ends nobody knows: the session ends, before content is a command."""
        for size in ("", "x", "-1", "1x", "99999999999999999999999", "LAST"):
            with self.subTest(size):
                client = self.client()
                client.open_transaction(SENDER, [self.rcpt("chunk")])
                code = client.say(f"BDAT {size}")[0]
                self.assertIn(code, (421, 501))
                client.send(b"RSET\r\n")
                self.assertEqual(client.reply()[0], 0)

    def test_chunk_with_bad_parameters(self):
        """Its size is known: it is read, and refused."""
        client = self.client()
        for parameters in ("6 LAST LAST", "6 FIRST"):
            client.open_transaction(SENDER, [self.rcpt("chunk")])
            client.send(f"BDAT {parameters}\r\nRSET\r\n")
            self.assertEqual(client.reply()[0], 501)
            self.assertEqual(client.say("RSET")[0], 250)

    def test_chunk_shorter_than_said(self):
        """What follows is content until the chunk is full."""
        client = self.client()
        client.open_transaction(SENDER, [self.rcpt("chunk")])
        client.send(b"BDAT 50 LAST\r\nSubject: x\r\n\r\nx\r\n")
        client.send(b"QUIT\r\n")
        client.reset()

    def test_chunk_longer_than_said(self):
        """The rest is no command that anybody knows."""
        client = self.client()
        client.open_transaction(SENDER, [self.rcpt("good")])
        client.send(b"BDAT 14 LAST\r\nSubject: x\r\n\r\nEHLO-LIKE\r\n")
        self.was_good(client.reply())
        self.assertEqual(client.reply()[0], 500)

    def test_data_between_chunks(self):
        client = self.client()
        client.open_transaction(SENDER, [self.rcpt("chunk")])
        client.send(b"BDAT 5\r\nSubje")
        self.assertEqual(client.reply()[0], 250)
        self.assertEqual(client.say_all("DATA", "MAIL FROM:<a@b>", "RCPT TO:<a@b>"), [503] * 3)
        self.assertEqual(client.say("RSET")[0], 250)
        self.submit_good(client)
