-- The password of the servers' role, from the environment, so that it is no argument of a command.
\getenv password APP_PASSWORD
ALTER ROLE paymentagg_app PASSWORD :'password';
