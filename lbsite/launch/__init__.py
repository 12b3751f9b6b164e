"""`lb up`: all processes of the product on one machine, under one supervisor."""
