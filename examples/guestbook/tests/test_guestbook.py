"""Tests against the real database and the real counters that `vagga test` starts beside them."""

import unittest

import guestbook


class GuestBook(unittest.TestCase):
    def setUp(self):
        self.client = guestbook.create_app().test_client()

    def test_an_entry_is_shown_after_signing(self):
        answer = self.client.post("/", data={"author": "Ada", "said": "1 < 2"})
        self.assertEqual(answer.status_code, 302)
        page = self.client.get("/").get_data(as_text=True)
        self.assertIn("<b>Ada</b>: 1 &lt; 2", page)

    def test_an_empty_entry_is_refused(self):
        answer = self.client.post("/", data={"author": " ", "said": "x"})
        self.assertEqual(answer.status_code, 400)

    def test_every_visit_counts(self):
        def visits():
            page = self.client.get("/").get_data(as_text=True)
            return int(page.split('id="visits">')[1].split("<")[0])

        self.assertEqual(visits() + 1, visits())
