-- What the shop otherwise asks for when it connects holds by role behind PgBouncer. Run by a superuser.
ALTER ROLE shop_app SET statement_timeout = '3s';
ALTER ROLE shop_app SET idle_in_transaction_session_timeout = '10s';
