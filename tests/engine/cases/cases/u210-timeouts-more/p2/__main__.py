import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

a = Thing("a", 1, opts=Opts(custom_timeouts=CustomTimeouts(update="1h30m", delete="1.5s")))
