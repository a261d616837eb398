def tojson: _fits | _tojson;
def fromjson: _shallow | _fromjson;
def range($from; $to; $by): _range($from; $to; $by) | _tick as $_tick | .;
