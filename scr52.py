import os,pty,time,select,fcntl,termios,struct,tempfile,re,sys,glob
bin=sys.argv[1]
home=tempfile.mkdtemp()
open(home+'/.screenrc','w').write('startup_message off\n')
pid,fd=pty.fork()
if pid==0:
    os.environ['HOME']=home; os.environ['TERM']='xterm-256color'; os.environ['LANG']='C.UTF-8'; os.environ['SCREENDIR']=home+'/s'
    os.mkdir(home+'/s',0o700)
    time.sleep(0.2)
    os.execvp('screen',['screen','-U',bin,'demo'])
fcntl.ioctl(fd,termios.TIOCSWINSZ,struct.pack('HHHH',36,120,0,0))
def rd(t):
    out=b''; end=time.time()+t
    while time.time()<end:
        r,_,_=select.select([fd],[],[],0.1)
        if r:
            try: out+=os.read(fd,65536)
            except OSError: break
    return out
o=rd(5); print(len(o), b'32 clusters' in o)
os.write(fd,b'y'); o=rd(1.5); print('menu', b'cluster name' in o)
os.write(fd,b'\r'); o=rd(2); print(re.findall(rb'\x1b\]52[^\x07\x1b]*[\x07\x1b]',o), o[-300:] if b'52' not in o else '')
os.write(fd,b'K'); o=rd(3); 
for i in range(14):
    os.write(fd,b'\x1b[C' if False else b'\t'); rd(0.2)
os.write(fd,b'q'); rd(1); os.write(fd,b'\x03'); o=rd(2); 
os.kill(pid,9)
