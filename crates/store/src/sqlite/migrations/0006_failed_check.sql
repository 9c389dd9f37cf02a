-- Never edit this file once it has landed; add the next one.

-- Which check a call failed, where its code leaves that open.
ALTER TABLE troubled_calls ADD COLUMN failed_check TEXT;
